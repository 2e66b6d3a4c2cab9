import { Badge, Card, Group, Stack, Text, TextInput, Timeline, Title } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useDisclosure } from '@mantine/hooks'
import { IconPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { api, client, type Schema } from '../api/client'
import { End } from '../forms/end'
import { useSave } from '../forms/use-save'
import { Act } from '../ui/allowed'
import { confirm } from '../ui/confirm'
import { Copy } from '../ui/copy'
import { List} from '../ui/list'
import { whole } from '../ui/pages'
import { Time } from '../ui/time'
import { NotYet } from '../ui/not-yet'
import { Dialog } from '../ui/dialog'
import { t } from '../words/words'

interface Props {
  aid: string
  customer_id: string
}

type Token = Schema['CustomerToken']

/** What stands for a customer elsewhere: cards, keys; and what became of each. */
export function Tokens({ aid, customer_id }: Props) {
  const path = { aid, customer_id }
  const [adding, { open, close }] = useDisclosure(false)
  const [followed, follow] = useState<Token>()
  const tokens = api.useQuery('get', '/v1/accounts/{aid}/customers/users/{customer_id}/tokens', { params: { path, query: { limit: 100 } } })
  const erase = (token: Token) =>
    confirm({
      title: t('Delete this token?'),
      consequence: t('{{value}} stands for this customer no more.', { value: token.value }),
      act: t('Delete'),
      run: async () => {
        const tid = token.token_id ?? token.id
        await client.DELETE('/v1/accounts/{aid}/customers/users/{customer_id}/tokens/{tid}', { params: { path: { ...path, tid } } })
      },
      done: t('The token is deleted.'),
    })
  return (
    <Card withBorder>
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">
          {t('Tokens')}
        </Title>
        <Act account={aid} operation="createCustomerToken" size="compact-sm" variant="default" leftSection={<IconPlus size={14} />} onClick={open}>
          {t('New token')}
        </Act>
      </Group>
      <List
        label={t('Tokens')}
        rows={whole(tokens)}
        keyOf={(token) => token.id}
        empty={t('None: a card or a key that stands for this customer would be here.')}
        columns={[
          { title: t('Type'), sort: (token) => token.type, cell: (token) => <span className="wrap">{token.type}</span> },
          { title: t('Value'), cell: (token) => <Copy value={token.value} /> },
          { title: t('Made'), wide: true, sort: (token) => token.created_at, cell: (token) => <Time at={token.created_at} relative /> },
          {
            title: t('Change'),
            cell: (token) => (
              <Group gap="xs">
                <Act account={aid} operation="followToken" size="compact-sm" variant="default" onClick={() => follow(token)}>
                  {t('Events')}
                </Act>
                <Act account={aid} operation="deleteCustomerToken" size="compact-sm" color="red" variant="outline" onClick={() => erase(token)}>
                  {t('Delete')}
                </Act>
              </Group>
            ),
          },
        ]}
      />
      <Dialog opened={adding} onClose={close} title={t('New token')}>
        <NewToken {...path} onClose={close} />
      </Dialog>
      <Dialog opened={!!followed} onClose={() => follow(undefined)} title={t('What became of it')}>
        {followed && <Events aid={aid} token={followed} />}
      </Dialog>
    </Card>
  )
}

function NewToken({ onClose, ...path }: Props & { onClose: () => void }) {
  const form = useForm({ initialValues: { type: '', value: '' } })
  const { submit, saving } = useSave(
    form,
    (body) => client.POST('/v1/accounts/{aid}/customers/users/{customer_id}/tokens', { params: { path }, body }),
    onClose,
  )
  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput label={t('Type')} placeholder="card" required data-autofocus {...form.getInputProps('type')} />
        <TextInput label={t('Value')} required {...form.getInputProps('value')} />
        <End account={path.aid} operation="createCustomerToken" saving={saving} act={t('Create')} onCancel={onClose} />
      </Stack>
    </form>
  )
}

/** What happened to a token, the latest first; and something that happens to it now. */
function Events({ aid, token: { type, value } }: { aid: string; token: Token }) {
  const token = { type, value }
  const found = useQuery({
    queryKey: ['token events', aid, type, value],
    queryFn: async () => (await client.POST('/v1/accounts/{aid}/customers/tokens/events', { params: { path: { aid } }, body: { token } })).data!,
  })
  const form = useForm({ initialValues: { event: '', status: '' } })
  const { submit, saving } = useSave(
    form,
    ({ event, status }) => {
      const body = { token, event: { event, ...(status && { status }) } }
      return client.POST('/v1/accounts/{aid}/customers/tokens/events', { params: { path: { aid } }, body })
    },
    () => form.reset(),
  )
  if (!found.data) return <NotYet query={found} part />
  const events = found.data.events ?? []
  return (
    <Stack>
      <Group gap="xs">
        <span className="mono wrap">{value}</span> <Badge variant="light">{found.data.status}</Badge>
      </Group>
      {events.length === 0 && <Text c="dimmed">{t('Nothing yet.')}</Text>}
      <Timeline active={events.length} bulletSize={12} lineWidth={2}>
        {events.map((event, at) => (
          <Timeline.Item key={`${event.created_at} ${at}`} title={<span className="wrap">{event.event}</span>}>
            <Group gap="xs">
              {event.status && <Badge variant="default">{event.status}</Badge>}
              <Text size="sm" c="dimmed" component="div">
                <Time at={event.created_at} />
                {event.expires_at && (
                  <>
                    {' · '}
                    {t('counts until')} <Time at={event.expires_at} />
                  </>
                )}
              </Text>
            </Group>
          </Timeline.Item>
        ))}
      </Timeline>
      <form onSubmit={submit}>
        <Stack gap="xs">
          <Group grow align="flex-start">
            <TextInput label={t('What happens')} placeholder="lost" required {...form.getInputProps('event')} />
            <TextInput label={t('Status')} placeholder="LOST" {...form.getInputProps('status')} />
          </Group>
          <End account={aid} operation="followToken" saving={saving} act={t('Note it')} />
        </Stack>
      </form>
    </Stack>
  )
}
