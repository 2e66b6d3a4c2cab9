import { Combobox, Group, InputBase, Loader, Text, useCombobox } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { IconSelector } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { client } from '../api/client'
import { Problem, ownUser } from '../api/session'
import { isPartner, parentOf } from '../util/accounts'
import { t } from '../words/words'
import { message } from './trouble'
import { Mode } from './account'

interface Choice {
  id: string
  name: string
}

/** Those below a partner that match, and the accounts of which one is a member. */
async function choices(partner: string | undefined, search: string): Promise<{ own: Choice[]; below: Choice[] }> {
  const { accounts } = await ownUser()
  const wanted = search.trim().toLowerCase()
  const own = accounts
    .map((one) => ({ id: one.account_id, name: one.display_name }))
    .filter(({ id, name }) => `${id} ${name}`.toLowerCase().includes(wanted))
  if (!partner) return { own, below: [] }
  const query = { limit: 20, ...(search.trim() ? { search: search.trim() } : {}) }
  const found = await client
    .GET('/v1/accounts/{oid}/management/accounts', { params: { path: { oid: partner }, query } })
    .then(({ data }) => data ?? [])
    .catch((error: unknown) => {
      // Whoever may not list them may still be a member of others.
      if (error instanceof Problem && error.status === 403) return []
      throw error
    })
  return { own, below: found.map((one) => ({ id: one.account_id, name: one.display_name })) }
}

/** From one account to another: those one belongs to, and a partner's, however many, looked for on the server. */
export function Switcher({ account }: { account: string | undefined }) {
  const box = useCombobox({ onDropdownClose: () => setSearch('') })
  const [search, setSearch] = useState('')
  const [settled] = useDebouncedValue(search, 200)
  const navigate = useNavigate()
  const partner = account && (isPartner(account) ? account : parentOf(account))
  const found = useQuery({
    queryKey: ['switcher', partner, settled],
    queryFn: () => choices(partner, settled),
    enabled: box.dropdownOpened,
    placeholderData: (known) => known,
  })
  const groups = [
    { label: t('Yours'), all: found.data?.own ?? [] },
    { label: t('Below {{account}}', { account: partner ?? '' }), all: found.data?.below ?? [] },
  ].filter(({ all }) => all.length > 0)
  return (
    <Combobox
      store={box}
      width={320}
      position="bottom-start"
      onOptionSubmit={(id) => {
        box.closeDropdown()
        void navigate({ to: '/$account', params: { account: id } })
      }}
    >
      <Combobox.Target targetType="button">
        <InputBase
          component="button"
          type="button"
          pointer
          size="sm"
          rightSection={<IconSelector size={16} />}
          rightSectionPointerEvents="none"
          onClick={() => box.toggleDropdown()}
          aria-label={t('Switch account')}
        >
          <Group gap="xs" wrap="nowrap">
            {account ? (
              <>
                <span className="mono">{account}</span>
                <Mode account={account} />
              </>
            ) : (
              t('Choose an account')
            )}
          </Group>
        </InputBase>
      </Combobox.Target>
      <Combobox.Dropdown>
        <Combobox.Search
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
          placeholder={t('Name or number')}
          aria-label={t('Search accounts')}
          rightSection={found.isFetching ? <Loader size="xs" /> : null}
        />
        <Combobox.Options mah={320} style={{ overflowY: 'auto' }}>
          {groups.map(({ label, all }) => (
            <Combobox.Group key={label} label={label}>
              {all.map(({ id, name }) => (
                <Combobox.Option key={id} value={id}>
                  <Group justify="space-between" wrap="nowrap">
                    <Text size="sm" truncate>
                      {name}
                    </Text>
                    <Text size="xs" c="dimmed" className="mono">
                      {id}
                    </Text>
                  </Group>
                </Combobox.Option>
              ))}
            </Combobox.Group>
          ))}
          {groups.length === 0 && <Combobox.Empty>{found.error ? message(found.error) : found.isPending ? t('Loading') : t('No account matches.')}</Combobox.Empty>}
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  )
}
