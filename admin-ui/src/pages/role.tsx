import { Alert, Card, Group, SimpleGrid, Stack, Text, TextInput, Textarea, Title } from '@mantine/core'
import { useForm } from '@mantine/form'
import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { api, client, type Schema } from '../api/client'
import { End } from '../forms/end'
import { Fresh } from '../forms/fresh'
import { useSave } from '../forms/use-save'
import { Act, useToken } from '../ui/allowed'
import { confirm, tell } from '../ui/confirm'
import { List } from '../ui/list'
import { PAGE, paged } from '../ui/pages'
import { Page } from '../ui/page'
import { ScopeMatrix, Scopes } from '../ui/scopes'
import { difference } from '../util/scopes'
import { NotYet } from '../ui/not-yet'
import { t } from '../words/words'

/** One role, or a new one. */
export function RolePage() {
  const { account: oid, id } = useParams({ from: '/inside/$account/roles/$id' })
  const path = { oid, role_id: id }
  const role = api.useQuery('get', '/v1/accounts/{oid}/auth/roles/{role_id}', { params: { path } }, { enabled: id !== 'new' })
  const navigate = useNavigate()
  if (id === 'new') {
    return (
      <Page title={t('New role')} up={{ title: t('Roles'), to: '/$account/roles', params: { account: oid } as never }}>
        <RoleForm oid={oid} />
      </Page>
    )
  }
  if (!role.data) return <NotYet query={role} />
  const name = role.data.name ?? t('Without a name')
  const erase = () =>
    confirm({
      title: t('Delete {{name}}?', { name }),
      consequence: t('Whoever holds it loses what it gives at the very next request.'),
      act: t('Delete'),
      run: async () => {
        await client.DELETE('/v1/accounts/{oid}/auth/roles/{role_id}', { params: { path } })
        await navigate({ to: '/$account/roles', params: { account: oid } })
      },
      done: t('{{name}} is deleted.', { name }),
    })
  return (
    <Page
      title={name}
      up={{ title: t('Roles'), to: '/$account/roles', params: { account: oid } as never }}
      action={
        <Act account={oid} operation="deleteRole" color="red" variant="outline" onClick={erase}>
          {t('Delete')}
        </Act>
      }
    >
      <Fresh data={role.data} version={role.data.updated_at}>
        {(role) => <RoleForm oid={oid} role={role} />}
      </Fresh>
      <Holders oid={oid} id={id} />
    </Page>
  )
}

function RoleForm({ oid, role }: { oid: string; role?: Schema['Role'] }) {
  const { data: token } = useToken(oid)
  const navigate = useNavigate()
  const form = useForm({
    initialValues: { name: role?.name ?? '', description: role?.description ?? '', scope: role?.scope ?? [] },
  })
  const { submit, saving } = useSave(
    form,
    async ({ name, description, scope }) => {
      const body = { scope, name: name || null, description: description || null }
      const answer = role
        ? await client.PUT('/v1/accounts/{oid}/auth/roles/{role_id}', { params: { path: { oid, role_id: role.id } }, body })
        : await client.POST('/v1/accounts/{oid}/auth/roles', { params: { path: { oid } }, body })
      return answer.data!
    },
    (saved) => {
      tell(t('Saved.'))
      if (!role) void navigate({ to: '/$account/roles/$id', params: { account: oid, id: saved.id } })
    },
  )
  return (
    <form onSubmit={submit}>
      <Card withBorder>
        <Stack>
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <TextInput label={t('Name')} {...form.getInputProps('name')} />
            <Textarea label={t('What it is for')} autosize minRows={1} {...form.getInputProps('description')} />
          </SimpleGrid>
          <ScopeMatrix
            label={t('Scopes')}
            value={form.values.scope}
            onChange={(scope) => form.setFieldValue('scope', scope)}
            held={token?.scopes ?? new Set()}
            error={form.errors.scope}
          />
          {role && <Preview before={role.scope} after={form.values.scope} />}
          <End account={oid} operation={role ? 'updateRole' : 'createRole'} saving={saving} act={role ? t('Save') : t('Create')} />
        </Stack>
      </Card>
    </form>
  )
}

/** What the change gives and takes, before it is made. */
function Preview({ before, after }: { before: string[]; after: string[] }) {
  const { gives, takes } = difference(before, after)
  if (gives.length === 0 && takes.length === 0) return null
  return (
    <Alert color="blue" variant="light" title={t('What this changes for whoever holds it')}>
      <Stack gap="xs">
        {gives.length > 0 && (
          <Group gap="xs">
            <Text size="sm">{t('Gives')}</Text> <Scopes all={gives} />
          </Group>
        )}
        {takes.length > 0 && (
          <Group gap="xs">
            <Text size="sm">{t('Takes')}</Text> <Scopes all={takes} />
          </Group>
        )}
      </Stack>
    </Alert>
  )
}

/** Who holds it. */
function Holders({ oid, id }: { oid: string; id: string }) {
  const query = { role: id, limit: PAGE }
  const holders = api.useInfiniteQuery('get', '/v1/accounts/{oid}/management/users', { params: { path: { oid }, query } }, paged())
  return (
    <Card withBorder>
      <Title order={2} size="h4" mb="sm">
        {t('Who holds it')}
      </Title>
      <List
        label={t('Who holds it')}
        rows={holders}
        keyOf={(member) => member.id}
        empty={t('Nobody yet. Give it to somebody under Users.')}
        columns={[
          {
            title: t('Name'),
            sort: (member) => member.name ?? member.email,
            cell: (member) => (
              <Link to="/$account/users/$id" params={{ account: oid, id: member.id }} className="row-link wrap">
                {member.name ?? member.email}
              </Link>
            ),
          },
          { title: t('E-mail'), wide: true, cell: (member) => <span className="wrap">{member.email}</span> },
        ]}
      />
    </Card>
  )
}
