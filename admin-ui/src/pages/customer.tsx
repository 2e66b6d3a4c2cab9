import { Badge, Card, Group, JsonInput, MultiSelect, SimpleGrid, Stack, Text, TextInput, Title } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useNavigate, useParams } from '@tanstack/react-router'
import { api, client, type Schema } from '../api/client'
import { queries } from '../api/queries'
import { enter } from '../api/session'
import { save } from '../forms/customers-file'
import { useSave } from '../forms/use-save'
import { Act } from '../ui/allowed'
import { confirm, failed, tell } from '../ui/confirm'
import { Copy } from '../ui/copy'
import { List, Loading } from '../ui/list'
import { Page } from '../ui/page'
import { whole } from '../ui/pages'
import { Time } from '../ui/time'
import { TroublePage } from '../ui/trouble'
import { t } from '../words/words'
import { nameOf } from './customers'

/** One customer: who it is, its tags and tokens, and the way to erase it. */
export function CustomerPage() {
  const { account: aid, id: customer_id } = useParams({ from: '/inside/$account/customers/$id' })
  const path = { aid, customer_id }
  const navigate = useNavigate()
  const one = api.useQuery('get', '/v1/accounts/{aid}/customers/users/{customer_id}', { params: { path } })
  if (one.isPending) return <Loading />
  if (one.error) return <TroublePage error={one.error} again={() => void one.refetch()} />
  const name = nameOf(one.data)
  const erase = () =>
    confirm({
      title: t('Erase {{name}}?', { name }),
      consequence: t('Everything that is known of this person is gone for good, with its logins and tokens. Only the number remains, and is never given again.'),
      act: t('Erase'),
      typed: customer_id,
      run: async () => {
        await client.DELETE('/v1/accounts/{aid}/customers/users/{customer_id}', { params: { path, query: { delete_tokens: true } } })
        await queries.invalidateQueries()
        await navigate({ to: '/$account/customers', params: { account: aid } })
      },
      done: t('{{name}} is erased.', { name }),
    })
  const file = `/v1/accounts/${aid}/customers/users/${encodeURIComponent(customer_id)}/export`
  const download = async () => save(`${customer_id}.json`, file, await enter(aid)).catch(failed)
  return (
    <Page
      title={name}
      up={{ title: t('Customers'), to: '/$account/customers', params: { account: aid } as never }}
      about={
        <Group gap="xs" component="span">
          <Copy value={customer_id} /> <Badge variant="light">{one.data.type}</Badge>
        </Group>
      }
      action={
        <>
          <Act account={aid} operation="exportCustomer" variant="default" onClick={() => void download()}>
            {t('All that is known')}
          </Act>
          <Act account={aid} operation="deleteCustomer" color="red" variant="outline" onClick={erase}>
            {t('Erase')}
          </Act>
        </>
      }
    >
      <CustomerForm key={one.data.updated_at} aid={aid} customer={one.data} />
      <Tags aid={aid} customer_id={customer_id} />
      <Reached aid={aid} customer_id={customer_id} />
      <Tokens aid={aid} customer_id={customer_id} />
    </Page>
  )
}

const FIELDS = ['first_name', 'last_name', 'email', 'phone_number', 'date_of_birth', 'gender', 'status', 'favorite_store'] as const

function CustomerForm({ aid, customer }: { aid: string; customer: Schema['Customer'] }) {
  const own = Object.fromEntries(FIELDS.map((field) => [field, customer[field] ?? ''])) as Record<(typeof FIELDS)[number], string>
  const form = useForm({
    initialValues: { ...own, metadata: customer.metadata ? JSON.stringify(customer.metadata, null, 2) : '' },
    validate: { metadata: (text) => (text === '' || parsed(text) ? null : t('This is no JSON object.')) },
  })
  const { submit, saving } = useSave(
    form,
    async ({ metadata, ...fields }) => {
      // Only what was changed: what is left out stays, null clears.
      const changed = Object.entries(fields).filter(([field, value]) => value !== own[field as keyof typeof own])
      const rest = form.isDirty('metadata') ? { metadata: replaced(customer.metadata, metadata === '' ? null : (parsed(metadata) ?? null)) } : {}
      const body = { ...Object.fromEntries(changed.map(([field, value]) => [field, value || null])), ...rest } as Schema['CustomerUpdate']
      const path = { aid, customer_id: customer.customer_id }
      return client.PUT('/v1/accounts/{aid}/customers/users/{customer_id}', { params: { path }, body })
    },
    () => tell(t('Saved.')),
  )
  return (
    <form onSubmit={submit}>
      <Card withBorder>
        <Stack>
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <TextInput label={t('First name')} {...form.getInputProps('first_name')} />
            <TextInput label={t('Last name')} {...form.getInputProps('last_name')} />
            <TextInput label={t('E-mail')} type="email" {...form.getInputProps('email')} />
            <TextInput label={t('Phone number')} type="tel" {...form.getInputProps('phone_number')} />
            <TextInput label={t('Date of birth')} type="date" {...form.getInputProps('date_of_birth')} />
            <TextInput label={t('Gender')} {...form.getInputProps('gender')} />
            <TextInput label={t('State')} {...form.getInputProps('status')} />
            <TextInput label={t('Favourite store')} {...form.getInputProps('favorite_store')} />
          </SimpleGrid>
          <JsonInput label={t('Metadata')} description={t('A JSON object of what you keep with it.')} autosize minRows={3} {...form.getInputProps('metadata')} />
          <Group justify="flex-end">
            <Act account={aid} operation="updateCustomer" type="submit" loading={saving}>
              {t('Save')}
            </Act>
          </Group>
        </Stack>
      </Card>
    </form>
  )
}

type Metadata = Record<string, unknown>

function parsed(text: string): Metadata | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return value && typeof value === 'object' && !Array.isArray(value) ? (value as Metadata) : undefined
  } catch {
    return undefined
  }
}

/** A change that leaves exactly these pairs: null for a key takes it away. */
function replaced(before: Metadata | null | undefined, after: Metadata | null): Metadata | null {
  return after && { ...Object.fromEntries(Object.keys(before ?? {}).map((key) => [key, null])), ...after }
}

function Tags({ aid, customer_id }: { aid: string; customer_id: string }) {
  const path = { aid, customer_id }
  const all = api.useQuery('get', '/v1/accounts/{aid}/customers/tags', { params: { path: { aid } } })
  const own = api.useQuery('get', '/v1/accounts/{aid}/customers/users/{customer_id}/tags', { params: { path } })
  const put = (ids: string[]) =>
    client
      .PUT('/v1/accounts/{aid}/customers/users/{customer_id}/tags', { params: { path }, body: ids })
      .then(() => queries.invalidateQueries())
      .catch(failed)
  return (
    <Card withBorder>
      <MultiSelect
        label={t('Tags')}
        searchable
        disabled={!own.data}
        data={(all.data ?? []).map((tag) => ({ value: tag.id, label: tag.tag }))}
        value={own.data?.map((tag) => tag.id) ?? []}
        onChange={(ids) => void put(ids)}
      />
    </Card>
  )
}

/** Which addresses are proven, and allowed. */
function Reached({ aid, customer_id }: { aid: string; customer_id: string }) {
  const found = api.useQuery('get', '/v1/accounts/{aid}/customers/users/{customer_id}/communication', { params: { path: { aid, customer_id } } })
  const ways = found.data?.communication
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
              <Badge color="teal" variant="light">
                {t('Proven')}
              </Badge>
            ) : (
              <Badge variant="default">{t('Not proven')}</Badge>
            )}
            {ways?.[way]?.verified_at && <Time at={ways[way].verified_at} relative />}
            {ways?.[way]?.allowed && <Badge variant="light">{t('Messages allowed')}</Badge>}
          </Group>
        ))}
      </Stack>
    </Card>
  )
}

function Tokens({ aid, customer_id }: { aid: string; customer_id: string }) {
  const path = { aid, customer_id }
  const tokens = api.useQuery('get', '/v1/accounts/{aid}/customers/users/{customer_id}/tokens', { params: { path, query: { limit: 100 } } })
  return (
    <Card withBorder>
      <Title order={2} size="h4" mb="sm">
        {t('Tokens')}
      </Title>
      <List
        label={t('Tokens')}
        rows={whole(tokens)}
        keyOf={(token) => token.id}
        empty={t('None: a card or a key that stands for this customer would be here.')}
        columns={[
          { title: t('Type'), cell: (token) => token.type },
          { title: t('Value'), cell: (token) => <Copy value={token.value} /> },
          { title: t('Made'), wide: true, cell: (token) => <Time at={token.created_at} relative /> },
        ]}
      />
    </Card>
  )
}
