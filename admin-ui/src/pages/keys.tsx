import { Badge, Group, NumberInput, Stack, Switch, Text } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconRefresh } from '@tabler/icons-react'
import { useState } from 'react'
import { api, client, type Schema } from '../api/client'
import { useAccount } from '../ui/account'
import { Act } from '../ui/allowed'
import { confirm, tell } from '../ui/confirm'
import { Copy } from '../ui/copy'
import { List } from '../ui/list'
import { Page } from '../ui/page'
import { whole } from '../ui/pages'
import { Time } from '../ui/time'
import { Dialog } from '../ui/dialog'
import { useOnce } from '../ui/use-once'
import { t } from '../words/words'

/** Keys that sign the account's tokens. */
export function KeysPage() {
  const oid = useAccount()
  const [asking, ask] = useDisclosure(false)
  const keys = api.useQuery('get', '/v1/accounts/{oid}/management/keys', { params: { path: { oid } } })
  return (
    <Page
      title={t('Keys')}
      about={t('Public keys whose tokens may be alive, and the next one. Others check tokens with them.')}
      action={
        <Act account={oid} operation="rotateKeys" leftSection={<IconRefresh size={16} />} onClick={ask.open}>
          {t('Rotate keys')}
        </Act>
      }
    >
      <List
        label={t('Keys')}
        rows={whole(keys)}
        keyOf={(key) => key.kid}
        empty={t('There is no key yet: the first token makes one.')}
        columns={[
          { title: t('Key'), cell: (key) => <Copy value={key.kid} /> },
          { title: t('Algorithm'), cell: (key) => <Badge variant="default">{key.alg}</Badge> },
          { title: t('State'), cell: (key) => <State state={key.state} /> },
          { title: t('Signs since'), wide: true, sort: (key) => key.active_from, cell: (key) => <Time at={key.active_from} /> },
          { title: t('Honoured until'), wide: true, cell: (key) => (key.honoured_until ? <Time at={key.honoured_until} /> : t('Until another one follows')) },
          { title: t('For'), wide: true, cell: (key) => (key.purpose === 'installers' ? t('Installers') : t('The account')) },
        ]}
      />
      <Dialog opened={asking} onClose={ask.close} title={t('Rotate keys')}>
        <Rotation account={oid} onClose={ask.close} />
      </Dialog>
    </Page>
  )
}

function State({ state }: { state: Schema['SigningKeyState'] }) {
  const all = { next: ['blue', t('Next')], signing: ['teal', t('Signs')], retired: ['gray', t('Retired')] } as const
  const [color, name] = all[state]
  return (
    <Badge color={color} variant="light">
      {name}
    </Badge>
  )
}

function Rotation({ account: oid, onClose }: { account: string; onClose: () => void }) {
  const [minutes, setMinutes] = useState<number | string>(60)
  const [emergency, setEmergency] = useState(false)
  const send = async (body: Schema['RotationInput']) => {
    await client.POST('/v1/accounts/{oid}/auth/keys/rotate', { params: { path: { oid } }, body })
    onClose()
  }
  const rotate = useOnce(async () => {
    await send({ activate_in: Number(minutes) * 60, revoke_previous: false })
    tell(t('A new key is published.'))
  })
  const revoke = () => {
    onClose()
    confirm({
      title: t('End all keys until now?'),
      consequence: t('Everybody has to get a new token.'),
      act: t('End all keys until now'),
      typed: oid,
      run: () => send({ activate_in: 0, revoke_previous: true }),
      done: t('A new key is published.'),
    })
  }
  return (
    <Stack>
      <NumberInput
        label={t('Minutes until it signs')}
        description={t('Others need that time to read it.')}
        min={0}
        value={minutes}
        onChange={setMinutes}
        disabled={emergency}
      />
      <Switch
        label={t('A key has leaked')}
        description={t('Emergency: all keys until now end, and with them every token that they have signed.')}
        checked={emergency}
        onChange={(event) => setEmergency(event.currentTarget.checked)}
        color="red"
      />
      {emergency && (
        <Text size="sm" c="red" role="alert">
          {t('Everybody has to get a new token.')}
        </Text>
      )}
      <Group justify="flex-end">
        <Act
          account={oid}
          operation="rotateKeys"
          {...(emergency ? { color: 'red', onClick: revoke } : rotate)}
          disabled={!emergency && minutes === ''}
        >
          {emergency ? t('End all keys until now') : t('Rotate keys')}
        </Act>
      </Group>
    </Stack>
  )
}
