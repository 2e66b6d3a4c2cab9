import { Badge, Group, SegmentedControl, Stack, Text } from '@mantine/core'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { api, client, type Schema } from '../api/client'
import { useAccount } from '../ui/account'
import { Act } from '../ui/allowed'
import { confirm, done } from '../ui/confirm'
import { List } from '../ui/list'
import { Page } from '../ui/page'
import { PAGE, onePage, paged } from '../ui/pages'
import { Time } from '../ui/time'
import { t } from '../words/words'

/** How often it is looked again, in milliseconds. */
const LOOK = 5000

/** Mails and text messages that were not handed on yet. */
export function MessagesPage() {
  const oid = useAccount()
  const search = useSearch({ from: '/inside/$account/messages' })
  const navigate = useNavigate()
  const { state } = search
  const query = { limit: PAGE, ...(state ? { state } : {}) }
  const messages = api.useInfiniteQuery(
    'get',
    '/v1/accounts/{oid}/management/messages',
    { params: { path: { oid }, query } },
    { ...paged(), refetchInterval: (query) => onePage(query.state.data) && LOOK },
  )
  return (
    <Page title={t('Messages')} about={t('Mails and text messages on their way. What is handed on is kept no longer.')}>
      <SegmentedControl
        aria-label={t('State')}
        maw={420}
        value={state ?? 'all'}
        onChange={(value) => void navigate({ to: '.', search: (value === 'all' ? {} : { state: value }) as never, replace: true })}
        data={[
          { value: 'all', label: t('All') },
          { value: 'waiting', label: t('Waiting') },
          { value: 'failed', label: t('Failed') },
        ]}
      />
      <List
        label={t('Messages')}
        rows={messages}
        keyOf={(message) => message.id}
        empty={state === 'failed' ? t('Nothing has failed.') : t('Nothing waits: every message was handed on.')}
        columns={[
          {
            title: t('To whom'),
            cell: (message) => (
              <Stack gap={0}>
                <span className="wrap">{message.target}</span>
                <Text size="xs" c="dimmed">
                  {what(message.template)}
                </Text>
              </Stack>
            ),
          },
          { title: t('State'), cell: (message) => <State message={message} /> },
          { title: t('Tries'), wide: true, cell: (message) => message.tries },
          { title: t('Made'), wide: true, cell: (message) => <Time at={message.created_at} relative /> },
          { title: t('Of use until'), wide: true, cell: (message) => <Time at={message.expires_at} relative /> },
          { title: t('Change'), cell: (message) => <Change oid={oid} message={message} /> },
        ]}
      />
    </Page>
  )
}

function State({ message }: { message: Schema['OutboxMessage'] }) {
  return (
    <Stack gap={2} align="flex-start">
      {message.state === 'failed' ? (
        <Badge color="red" variant="light">
          {t('Failed')}
        </Badge>
      ) : (
        <Badge variant="light">{t('Waiting')}</Badge>
      )}
      {message.failure && (
        <Text size="xs" c="dimmed" className="wrap">
          {message.failure}
        </Text>
      )}
      {message.next_at && message.tries > 0 && (
        <Text size="xs" c="dimmed" component="span">
          {t('Tried next')} <Time at={message.next_at} relative />
        </Text>
      )}
    </Stack>
  )
}

function Change({ oid, message }: { oid: string; message: Schema['OutboxMessage'] }) {
  const path = { oid, id: message.id }
  const retry = () => client.POST('/v1/accounts/{oid}/management/messages/{id}/retry', { params: { path } })
  const withdraw = () =>
    confirm({
      title: t('Take this message back?'),
      consequence: t('{{target}} does not get it.', { target: message.target }),
      act: t('Take it back'),
      run: () => client.DELETE('/v1/accounts/{oid}/management/messages/{id}', { params: { path } }),
      done: t('The message is taken back.'),
    })
  return (
    <Group gap="xs">
      <Act account={oid} operation="retryMessage" size="compact-sm" variant="default" onClick={() => done(retry(), t('It is tried again now.'))}>
        {t('Try again')}
      </Act>
      <Act account={oid} operation="withdrawMessage" size="compact-sm" color="red" variant="outline" onClick={withdraw}>
        {t('Take it back')}
      </Act>
    </Group>
  )
}

function what(template: Schema['MessageTemplate']): string {
  const names = {
    code: t('A code'),
    password: t('A link to choose a password'),
    invitation: t('An invitation'),
    confirmation: t('A link to confirm an address'),
    reset: t('A link to choose a password'),
    identity_approved: t('An identity was approved'),
    identity_rejected: t('An identity was rejected'),
  }
  return names[template]
}
