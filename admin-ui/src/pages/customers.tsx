import { Badge, Button, FileButton, Group, Select } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconDownload, IconPlus, IconUpload } from '@tabler/icons-react'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { api, client, type Schema } from '../api/client'
import { enter } from '../api/session'
import { CustomerFilters } from '../forms/customer-filters'
import { type Exchange, ImportProgress, importCustomers, save } from '../forms/customers-file'
import { NewCustomer } from '../forms/new-customer'
import { useAccount } from '../ui/account'
import { Act } from '../ui/allowed'
import { failed } from '../ui/confirm'
import { List } from '../ui/list'
import { Page } from '../ui/page'
import { PAGE, usePages } from '../ui/pages'
import { Search } from '../ui/search'
import { Time } from '../ui/time'
import { t } from '../words/words'

export const KINDS: Schema['CustomerType'][] = ['customer', 'company', 'contact', 'employee', 'other']

/** Customers of the account, found by what is known of them. */
export function CustomersPage() {
  const aid = useAccount()
  const search = useSearch({ from: '/inside/$account/customers' })
  const navigate = useNavigate()
  const [making, { open, close }] = useDisclosure(false)
  const [exchange, setExchange] = useState<Exchange>()
  const tags = api.useQuery('get', '/v1/accounts/{aid}/customers/tags', { params: { path: { aid } } })
  const filters = {
    ...(search.search ? { search: search.search } : {}),
    ...(search.type ? { type: search.type as Schema['CustomerType'] } : {}),
    ...(search.tag ? { tag_id: search.tag } : {}),
    ...(search.email ? { email: search.email } : {}),
    ...(search.phone ? { phone_number: search.phone } : {}),
    ...(search.token_type ? { token_type: search.token_type } : {}),
    ...(search.token_value ? { token_value: search.token_value } : {}),
    ...(search.attribute ? { attributes_keys: [search.attribute], attributes_values: [search.value ?? ''] } : {}),
    ...(search.deleted ? { include_deleted: true } : {}),
  }
  const customers = usePages(['customers', aid, filters], (after) => {
    const query = { limit: PAGE, ...filters, ...(after ? { starting_after: after } : {}) }
    return client.GET('/v1/accounts/{aid}/customers/users', { params: { path: { aid }, query } })
  })
  const put = (name: 'type' | 'tag', value: string | null) =>
    navigate({ to: '.', search: (before: object) => ({ ...before, [name]: value ?? undefined }) as never, replace: true })
  const download = async () => save(`customers-${aid}.ndjson`, `/v1/accounts/${aid}/customers/users:export`, await enter(aid)).catch(failed)
  const upload = (file: File | null) => file && importCustomers(aid, file, setExchange).catch(failed)
  return (
    <Page
      title={t('Customers')}
      about={t('People and companies that the account serves.')}
      action={
        <>
          <Act account={aid} operation="exportCustomers" variant="default" leftSection={<IconDownload size={16} />} onClick={() => void download()}>
            {t('Export')}
          </Act>
          <FileButton onChange={(file) => void upload(file)} accept=".ndjson,.jsonl,application/x-ndjson">
            {({ onClick }) => (
              <Act account={aid} operation="importCustomers" variant="default" leftSection={<IconUpload size={16} />} onClick={onClick}>
                {t('Import')}
              </Act>
            )}
          </FileButton>
          <Act account={aid} operation="createCustomer" leftSection={<IconPlus size={16} />} onClick={open}>
            {t('New customer')}
          </Act>
        </>
      }
    >
      <Group align="flex-end" gap="sm">
        <Search value={search.search} label={t('Search customers')} />
        <Select aria-label={t('Kind')} placeholder={t('Any kind')} clearable data={KINDS} value={search.type ?? null} onChange={(value) => void put('type', value)} />
        <Select
          aria-label={t('Tag')}
          placeholder={t('Any tag')}
          clearable
          searchable
          data={(tags.data ?? []).map((tag) => ({ value: tag.id, label: tag.tag }))}
          value={search.tag ?? null}
          onChange={(value) => void put('tag', value)}
        />
        <CustomerFilters search={search} />
      </Group>
      {exchange && <ImportProgress exchange={exchange} onClose={() => setExchange(undefined)} />}
      <List
        label={t('Customers')}
        rows={customers}
        keyOf={(one) => one.id}
        empty={
          Object.keys(filters).length > 0 ? (
            t('No customer matches.')
          ) : (
            <>
              {t('There is no customer yet. Create one, or import a file with one in each line.')}{' '}
              <Button variant="subtle" size="compact-sm" component="a" href="/docs/">
                {t('API reference')}
              </Button>
            </>
          )
        }
        columns={[
          {
            title: t('Name'),
            cell: (one) => (
              <Link to="/$account/customers/$id" params={{ account: aid, id: one.customer_id }} className="row-link wrap">
                {nameOf(one)}
              </Link>
            ),
          },
          { title: t('Customer ID'), wide: true, cell: (one) => <span className="mono wrap">{one.customer_id}</span> },
          { title: t('E-mail'), wide: true, cell: (one) => <span className="wrap">{one.email ?? ''}</span> },
          { title: t('Phone number'), wide: true, cell: (one) => one.phone_number ?? '' },
          { title: t('Kind'), cell: (one) => <Badge variant="light">{one.type}</Badge> },
          { title: t('Changed'), wide: true, cell: (one) => <Time at={one.updated_at} relative /> },
        ]}
      />
      <NewCustomer account={aid} opened={making} onClose={close} />
    </Page>
  )
}

/** What to call a customer. */
export function nameOf(one: Schema['Customer']): string {
  const name = [one.first_name, one.last_name].filter(Boolean).join(' ')
  return name || one.company?.bussiness_name || one.email || one.customer_id
}
