import { Badge, Card, Group, Stack, Text, TextInput, Title } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useState } from 'react'
import { api, client } from '../api/client'
import { End } from '../forms/end'
import { useSave } from '../forms/use-save'
import { Act } from '../ui/allowed'
import { failed, tell } from '../ui/confirm'
import { NotYet } from '../ui/not-yet'
import { Time } from '../ui/time'
import { Dialog } from '../ui/dialog'
import { t } from '../words/words'

type Way = 'email' | 'phone_number'
const VERIFY = '/v1/accounts/{aid}/customers/users/{customer_id}/communication/{operation}/{field}'

interface Props {
  aid: string
  customer_id: string
}

/** Which addresses are proven, and allowed; and the way to prove one. */
export function Reached({ aid, customer_id }: Props) {
  const [asked, ask] = useState<Way>()
  const found = api.useQuery('get', '/v1/accounts/{aid}/customers/users/{customer_id}/communication', { params: { path: { aid, customer_id } } })
  if (!found.data) return <NotYet query={found} part />
  const ways = found.data.communication
  const send = async (field: Way) => {
    try {
      await client.POST(VERIFY, { params: { path: { aid, customer_id, operation: 'send-verification-code', field } } })
      ask(field)
    } catch (error) {
      failed(error)
    }
  }
  return (
    <Card withBorder>
      <Title order={2} size="h4" mb="sm">
        {t('Communication')}
      </Title>
      <Stack gap="xs">
        {(['email', 'phone_number'] as const).map((way) => (
          <Group key={way} gap="xs">
            <Text size="sm">{way === 'email' ? t('E-mail') : t('Phone number')}</Text>
            {ways?.[way]?.verified_at ? (
              <>
                <Badge color="teal" variant="light">
                  {t('Proven')}
                </Badge>
                <Time at={ways[way].verified_at} relative />
              </>
            ) : (
              <>
                <Badge variant="default">{t('Not proven')}</Badge>
                <Act account={aid} operation="verifyAddress" size="compact-sm" variant="default" onClick={() => void send(way)}>
                  {way === 'email' ? t('Mail a code') : t('Text a code')}
                </Act>
              </>
            )}
            {ways?.[way]?.allowed && <Badge variant="light">{t('Messages allowed')}</Badge>}
          </Group>
        ))}
      </Stack>
      <Dialog opened={!!asked} onClose={() => ask(undefined)} title={t('A code was sent')}>
        {asked && <CodeForm aid={aid} customer_id={customer_id} field={asked} onClose={() => ask(undefined)} />}
      </Dialog>
    </Card>
  )
}

function CodeForm({ aid, customer_id, field, onClose }: Props & { field: Way; onClose: () => void }) {
  const form = useForm({ initialValues: { code: '' } })
  const path = { aid, customer_id, operation: 'confirm-verification-code' as const, field }
  const { submit, saving } = useSave(
    form,
    (body) => client.POST(VERIFY, { params: { path }, body }),
    () => {
      tell(t('The address is proven.'))
      onClose()
    },
  )
  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput label={t('The code that the customer tells you')} required inputMode="numeric" autoComplete="off" data-autofocus {...form.getInputProps('code')} />
        <End account={aid} operation="verifyAddress" saving={saving} act={t('Confirm')} onCancel={onClose} />
      </Stack>
    </form>
  )
}
