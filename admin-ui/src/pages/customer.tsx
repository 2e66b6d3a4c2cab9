import { Badge, Card, Group, MultiSelect } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import { api, client } from '../api/client'
import { queries } from '../api/queries'
import { enter } from '../api/session'
import { CustomerForm } from '../forms/customer'
import { save } from '../forms/customers-file'
import { Fresh } from '../forms/fresh'
import { CustomerNumber } from '../forms/customer-number'
import { Act } from '../ui/allowed'
import { confirm, done, failed } from '../ui/confirm'
import { Copy } from '../ui/copy'
import { Page } from '../ui/page'
import { NotYet } from '../ui/not-yet'
import { t } from '../words/words'
import { Reached } from './customer-reached'
import { Tokens } from './customer-tokens'
import { nameOf } from './customers'

/** One customer: who it is, its tags and tokens, and the way to erase it. */
export function CustomerPage() {
  const { account: aid, id: customer_id } = useParams({ from: '/inside/$account/customers/$id' })
  const path = { aid, customer_id }
  const navigate = useNavigate()
  const one = api.useQuery('get', '/v1/accounts/{aid}/customers/users/{customer_id}', { params: { path } })
  const settings = api.useQuery('get', '/v1/accounts/{aid}/customers/settings', { params: { path: { aid } } })
  const declared = settings.data?.attributes ?? []
  if (!one.data) return <NotYet query={one} />
  const name = nameOf(one.data)
  const erase = () =>
    confirm({
      title: t('Erase {{name}}?', { name }),
      consequence: t('Everything that is known of this person is gone for good, with its logins and tokens. Only the number remains, and is never given again.'),
      act: t('Erase'),
      typed: customer_id,
      run: async () => {
        await client.DELETE('/v1/accounts/{aid}/customers/users/{customer_id}', { params: { path, query: { delete_tokens: true } } })
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
          <CustomerNumber aid={aid} customer_id={customer_id} />
          <Act account={aid} operation="exportCustomer" variant="default" onClick={() => void download()}>
            {t('All that is known')}
          </Act>
          <Act account={aid} operation="deleteCustomer" color="red" variant="outline" onClick={erase}>
            {t('Erase')}
          </Act>
        </>
      }
    >
      {!settings.isPending && (
        <Fresh data={one.data} version={`${one.data.updated_at} ${JSON.stringify(declared)}`}>
          {(customer) => <CustomerForm aid={aid} customer={customer} declared={declared} />}
        </Fresh>
      )}
      <Tags aid={aid} customer_id={customer_id} />
      <Reached aid={aid} customer_id={customer_id} />
      <Tokens aid={aid} customer_id={customer_id} />
    </Page>
  )
}

function Tags({ aid, customer_id }: { aid: string; customer_id: string }) {
  const path = { aid, customer_id }
  const all = api.useQuery('get', '/v1/accounts/{aid}/customers/tags', { params: { path: { aid } } })
  const options = api.queryOptions('get', '/v1/accounts/{aid}/customers/users/{customer_id}/tags', { params: { path } })
  const own = useQuery(options)
  const before = own.data?.map((tag) => tag.id) ?? []
  const put = (ids: string[]) => {
    // Shown at once; whatever comes of it is asked again.
    queries.setQueryData(options.queryKey, () => (all.data ?? []).filter((tag) => ids.includes(tag.id)))
    return client.PUT('/v1/accounts/{aid}/customers/users/{customer_id}/tags', { params: { path }, body: ids })
  }
  return (
    <Card withBorder>
      <MultiSelect
        label={t('Tags')}
        searchable
        disabled={!own.data}
        data={(all.data ?? []).map((tag) => ({ value: tag.id, label: tag.tag }))}
        value={before}
        onChange={(ids) => done(put(ids), t('Saved.'), () => put(before))}
      />
    </Card>
  )
}
