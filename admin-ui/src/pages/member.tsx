import { Badge, Card, Group, MultiSelect, Stack, TextInput, Title } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import { api, client, type Schema } from '../api/client'
import { End } from '../forms/end'
import { Fresh } from '../forms/fresh'
import { useSave } from '../forms/use-save'
import { Act, useToken } from '../ui/allowed'
import { confirm, done, tell } from '../ui/confirm'
import { Copy } from '../ui/copy'
import { List } from '../ui/list'
import { Page } from '../ui/page'
import { PAGE, paged } from '../ui/pages'
import { ScopeMatrix } from '../ui/scopes'
import { Time } from '../ui/time'
import { NotYet } from '../ui/not-yet'
import { t } from '../words/words'

/** One user of the account, or somebody to be invited. */
export function MemberPage() {
  const { account: oid, id } = useParams({ from: '/inside/$account/users/$id' })
  const path = { oid, uid: id }
  const member = api.useQuery('get', '/v1/accounts/{oid}/management/users/{uid}', { params: { path } }, { enabled: id !== 'new' })
  const navigate = useNavigate()
  const up = { title: t('Users'), to: '/$account/users', params: { account: oid } as never } as const
  if (id === 'new') {
    return (
      <Page title={t('Invite somebody')} up={up} about={t('They get a message with a link to choose a password.')}>
        <MemberForm oid={oid} />
      </Page>
    )
  }
  if (!member.data) return <NotYet query={member} />
  const name = member.data.name ?? member.data.email
  const remove = () =>
    confirm({
      title: t('Remove {{name}}?', { name }),
      consequence: t('From the very next request on they can do nothing here any more. In other accounts they stay.'),
      act: t('Remove'),
      run: async () => {
        await client.DELETE('/v1/accounts/{oid}/management/users/{uid}', { params: { path } })
        await navigate({ to: '/$account/users', params: { account: oid } })
      },
      done: t('{{name}} is removed.', { name }),
    })
  return (
    <Page
      title={name}
      up={up}
      about={
        <Group gap="xs" component="span">
          {member.data.email} <Copy value={member.data.id} /> {!member.data.enabled && <Badge color="red" variant="light">{t('Shut out')}</Badge>}
        </Group>
      }
      action={
        <>
          <Shut oid={oid} member={member.data} />
        <Act account={oid} operation="removeMember" color="red" variant="outline" onClick={remove}>
          {t('Remove')}
        </Act>
        </>
      }
    >
      <Fresh data={member.data} version={member.data.updated_at}>
        {(member) => <MemberForm oid={oid} member={member} />}
      </Fresh>
      <Activities oid={oid} uid={id} />
    </Page>
  )
}

/** Shuts somebody out for a while, who keeps what they have; or lets them in again. */
function Shut({ oid, member }: { oid: string; member: Schema['Member'] }) {
  const { scope, roles, name } = member
  const put = (enabled: boolean) => {
    const body = { scope, roles: roles.map(({ id }) => ({ id })), name: name ?? null, enabled }
    return client.PUT('/v1/accounts/{oid}/management/users/{uid}', { params: { path: { oid, uid: member.id } }, body })
  }
  const who = { name: name ?? member.email }
  return member.enabled ? (
    <Act account={oid} operation="updateMember" variant="default" onClick={() => done(put(false), t('{{name}} is shut out.', who), () => put(true))}>
      {t('Shut out')}
    </Act>
  ) : (
    <Act account={oid} operation="updateMember" variant="default" onClick={() => done(put(true), t('{{name}} is let in again.', who))}>
      {t('Let in again')}
    </Act>
  )
}

function MemberForm({ oid, member }: { oid: string; member?: Schema['Member'] }) {
  const { data: token } = useToken(oid)
  const navigate = useNavigate()
  const roles = useQuery({ queryKey: ['all roles', oid], queryFn: () => allRoles(oid) })
  const form = useForm({
    initialValues: {
      email: member?.email ?? '',
      name: member?.name ?? '',
      roles: member?.roles.map((role) => role.id) ?? [],
      scope: member?.scope ?? [],
    },
  })
  const { submit, saving } = useSave(
    form,
    async ({ email, name, roles, scope }) => {
      const rights = { scope, roles: roles.map((id) => ({ id })), name: name || null }
      const answer = member
        ? await client.PUT('/v1/accounts/{oid}/management/users/{uid}', { params: { path: { oid, uid: member.id } }, body: rights })
        : await client.POST('/v1/accounts/{oid}/management/users', { params: { path: { oid } }, body: { ...rights, email } })
      return answer.data!
    },
    (saved) => {
      tell(member ? t('Saved.') : t('{{email}} is invited.', { email: saved.email }))
      if (!member) void navigate({ to: '/$account/users/$id', params: { account: oid, id: saved.id } })
    },
  )
  // A role that was deleted meanwhile is shown all the same.
  const known = new Map((roles.data ?? []).map((role) => [role.id, role.name ?? role.id]))
  for (const role of member?.roles ?? []) if (!known.has(role.id)) known.set(role.id, role.name ?? role.id)
  return (
    <form onSubmit={submit}>
      <Card withBorder>
        <Stack>
          {!member && <TextInput label={t('E-mail')} type="email" required autoComplete="off" {...form.getInputProps('email')} />}
          <TextInput label={t('Name')} autoComplete="off" {...form.getInputProps('name')} />
          <MultiSelect
            label={t('Roles')}
            searchable
            data={[...known].map(([value, label]) => ({ value, label }))}
            {...form.getInputProps('roles')}
          />
          <ScopeMatrix
            label={t('Scopes of their own')}
            value={form.values.scope}
            onChange={(scope) => form.setFieldValue('scope', scope)}
            held={token?.scopes ?? new Set()}
            error={form.errors.scope}
          />
          <End account={oid} operation={member ? 'updateMember' : 'inviteMember'} saving={saving} act={member ? t('Save') : t('Invite')} />
        </Stack>
      </Card>
    </form>
  )
}

/** Every role of the account, a hundred at a time. */
async function allRoles(oid: string): Promise<Schema['Role'][]> {
  const all: Schema['Role'][] = []
  for (;;) {
    const after = all.at(-1)?.id
    const query = { limit: 100, ...(after ? { starting_after: after } : {}) }
    const { data } = await client.GET('/v1/accounts/{oid}/auth/roles', { params: { path: { oid }, query } })
    all.push(...(data ?? []))
    if ((data ?? []).length < 100) return all
  }
}

function Activities({ oid, uid }: { oid: string; uid: string }) {
  const query = { limit: PAGE, order: 'desc' as const }
  const activities = api.useInfiniteQuery(
    'get',
    '/v1/accounts/{oid}/management/users/{uid}/activities',
    { params: { path: { oid, uid }, query } },
    paged(),
  )
  return (
    <Card withBorder>
      <Title order={2} size="h4" mb="sm">
        {t('What they did here')}
      </Title>
      <List
        label={t('What they did here')}
        rows={activities}
        keyOf={(one) => one.id}
        empty={t('Nothing yet.')}
        columns={[
          { title: t('When'), cell: (one) => <Time at={one.created_at} relative /> },
          { title: t('What'), cell: (one) => <span className="mono">{one.action}</span> },
          { title: t('To what'), wide: true, cell: (one) => <span className="mono wrap">{one.entity ?? ''}</span> },
          { title: t('From where'), wide: true, cell: (one) => one.context.ip ?? '' },
        ]}
      />
    </Card>
  )
}
