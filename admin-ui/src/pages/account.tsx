import { Card, Group, NumberInput, SimpleGrid, Stack, Switch, Text, TextInput, Title } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useNavigate, useParams } from '@tanstack/react-router'
import { api, client, type Schema } from '../api/client'
import { End } from '../forms/end'
import { changed } from '../forms/changed'
import { Fresh } from '../forms/fresh'
import { useSave } from '../forms/use-save'
import { Mode } from '../ui/account'
import { Act } from '../ui/allowed'
import { confirm, tell } from '../ui/confirm'
import { Copy } from '../ui/copy'
import { Enter } from '../ui/enter'
import { Page } from '../ui/page'
import { Time } from '../ui/time'
import { isPartner } from '../util/accounts'
import { NotYet } from '../ui/not-yet'
import { t } from '../words/words'

/** One account below: what it is called, whether it is open, how much it may ask. */
export function BelowPage() {
  const { account: oid, below: aid } = useParams({ from: '/inside/$account/accounts/$below' })
  const navigate = useNavigate()
  const one = api.useQuery('get', '/v1/accounts/{oid}/management/accounts/{aid}', { params: { path: { oid, aid } } })
  if (!one.data) return <NotYet query={one} />
  const account = one.data
  const erase = () =>
    confirm({
      title: t('Delete {{name}}?', { name: account.display_name }),
      consequence: t('Its clients, users and tokens stop working at once. The number is never given to anybody else.'),
      act: t('Delete'),
      typed: account.account_id,
      run: async () => {
        await client.DELETE('/v1/accounts/{oid}/management/accounts/{aid}', { params: { path: { oid, aid } } })
        await navigate({ to: '/$account/accounts', params: { account: oid } })
      },
      done: t('{{name}} is deleted.', { name: account.display_name }),
    })
  return (
    <Page
      title={account.display_name}
      up={{ title: t('Accounts'), to: '/$account/accounts', params: { account: oid } as never }}
      about={
        <Group gap="xs" component="span">
          <Copy value={account.account_id} /> <Mode account={account.account_id} />
        </Group>
      }
      action={
        <Enter from={oid} to={aid} name={account.display_name} />
      }
    >
      <Fresh data={account} version={account.updated_at}>
        {(account) => <AccountForm oid={oid} account={account} />}
      </Fresh>
      <Card withBorder>
        <Group justify="space-between">
          <Text size="sm" c="dimmed" component="div">
            {t('Made')} <Time at={account.created_at} />
          </Text>
          <Act account={oid} operation="deleteAccount" color="red" variant="outline" onClick={erase}>
            {t('Delete')}
          </Act>
        </Group>
      </Card>
    </Page>
  )
}

type Limit = 'limits' | 'client_limits' | 'budget'

/** A rate of which both figures are given, or none. */
function quota(rate: number | string, burst: number | string): Schema['Quota'] | null {
  return rate === '' && burst === '' ? null : { requests_per_second: Number(rate), burst: Number(burst === '' ? rate : burst) }
}

function AccountForm({ oid, account }: { oid: string; account: Schema['Account'] }) {
  const given = (limit: Limit) => [account[limit]?.requests_per_second ?? '', account[limit]?.burst ?? ''] as [number | string, number | string]
  const form = useForm({
    initialValues: {
      display_name: account.display_name,
      suspended: !account.active,
      frozen: account.frozen,
      weight: account.weight as number | string,
      limits: given('limits'),
      client_limits: given('client_limits'),
      budget: given('budget'),
    },
  })
  const { submit, saving } = useSave(
    form,
    async ({ display_name, suspended: closed, frozen, weight, limits, client_limits, budget }) => {
      const body = {
        display_name,
        suspended: closed,
        frozen,
        weight: Number(weight),
        limits: quota(...limits),
        client_limits: quota(...client_limits),
        ...(isPartner(account.account_id) ? { budget: quota(...budget) } : {}),
      }
      const { suspended, ...rest } = changed(form, body)
      const path = { oid, aid: account.account_id }
      return client.PUT('/v1/accounts/{oid}/management/accounts/{aid}', { params: { path }, body: suspended === undefined ? rest : { ...rest, active: !suspended } })
    },
    () => tell(t('Saved.')),
  )
  const limit = (name: Limit, label: string) => (
    <Group grow align="flex-start" gap="xs">
      <NumberInput
        label={label}
        description={t('Requests a second')}
        min={1}
        placeholder={t('Server default')}
        {...form.getInputProps(`${name}.0`)}
        error={form.errors[name]}
      />
      <NumberInput label={' '} description={t('At once')} aria-label={`${label}: ${t('At once')}`} min={1} {...form.getInputProps(`${name}.1`)} />
    </Group>
  )
  return (
    <form onSubmit={submit}>
      <Card withBorder>
        <Stack>
          <TextInput label={t('Name')} required {...form.getInputProps('display_name')} />
          <Switch
            label={t('Suspended')}
            description={t('Nobody can use it or anything below it, from the very next request on.')}
            {...form.getInputProps('suspended', { type: 'checkbox' })}
          />
          <Switch
            label={t('Frozen')}
            description={t('It can be read and signed in to; only you can change anything.')}
            {...form.getInputProps('frozen', { type: 'checkbox' })}
          />
          <Title order={2} size="h4">
            {t('How much it may ask')}
          </Title>
          <SimpleGrid cols={{ base: 1, md: 2 }}>
            {limit('limits', t('The account'))}
            {limit('client_limits', t('Each of its clients'))}
            {isPartner(account.account_id) && limit('budget', t('All accounts below it together'))}
            <NumberInput
              label={t('Weight')}
              description={t('Its share of your budget, beside the others')}
              min={1}
              max={1000}
              {...form.getInputProps('weight')}
            />
          </SimpleGrid>
          <End account={oid} operation="updateAccount" saving={saving} />
        </Stack>
      </Card>
    </form>
  )
}
