import { Card, Group, Stack, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { api, client, type Schema } from '../api/client'
import { EditAuthUser } from '../forms/auth-user'
import { End } from '../forms/end'
import { Fresh } from '../forms/fresh'
import { useSave } from '../forms/use-save'
import { Act } from '../ui/allowed'
import { confirm, done, tell } from '../ui/confirm'
import { Page } from '../ui/page'
import { NotYet } from '../ui/not-yet'
import { linksOf } from '../util/links'
import { t } from '../words/words'
import { Enabled, factors } from './auth-users'

/** One auth user: whether it may log in, by what, and as whom. */
export function AuthUserPage() {
  const { account: aid, name: username } = useParams({ from: '/inside/$account/auth-users/$name' })
  const path = { aid, username }
  const one = api.useQuery('get', '/v1/accounts/{aid}/auth/users/{username}', { params: { path } })
  const navigate = useNavigate()
  const erase = () =>
    confirm({
      title: t('Delete {{name}}?', { name: username }),
      consequence: t('Its sessions end at once, and its password is forgotten. The name is free again.'),
      act: t('Delete'),
      run: async () => {
        await client.DELETE('/v1/accounts/{aid}/auth/users/{username}', { params: { path } })
        await navigate({ to: '/$account/auth-users', params: { account: aid } })
      },
      done: t('{{name}} is deleted.', { name: username }),
    })
  if (!one.data) return <NotYet query={one} />
  const user = one.data
  return (
    <Page
      title={user.username}
      up={{ title: t('Auth users'), to: '/$account/auth-users', params: { account: aid } as never }}
      about={
        <Group gap="xs" component="span">
          <Enabled user={user} /> {t('Second factor')}: {factors(user) || t('None')} <Customer aid={aid} user={user} />
        </Group>
      }
      action={
        <>
          <Shut aid={aid} user={user} />
          <Act account={aid} operation="deleteUser" color="red" variant="outline" onClick={erase}>
            {t('Delete')}
          </Act>
        </>
      }
    >
      <Fresh data={user} version={user.updated_at ?? ''}>
        {(user) => <EditAuthUser account={aid} user={user} onSaved={() => tell(t('Saved.'))} />}
      </Fresh>
      <Rename key={user.username} aid={aid} username={user.username} />
    </Page>
  )
}

function Customer({ aid, user }: { aid: string; user: Schema['AuthUser'] }) {
  const id = linksOf(user).customer_id
  if (!id) return null
  return (
    <Link to="/$account/customers/$id" params={{ account: aid, id }} className="row-link">
      {t('The customer {{id}}', { id })}
    </Link>
  )
}

/** Shuts somebody out, or lets them in again; and takes the app away that they lost. */
function Shut({ aid, user }: { aid: string; user: Schema['AuthUser'] }) {
  const path = { aid, username: user.username }
  const enable = () => client.POST('/v1/accounts/{aid}/auth/users/{username}/enable', { params: { path } })
  const disable = () => client.POST('/v1/accounts/{aid}/auth/users/{username}/disable', { params: { path } })
  const endTotp = () =>
    confirm({
      title: t('Take the app away?'),
      consequence: t('What it shows is asked for no more, and the recovery codes are void.'),
      act: t('Take it away'),
      run: () => client.DELETE('/v1/accounts/{aid}/auth/users/{username}/totp', { params: { path } }),
      done: t('The app is no second factor any more.'),
    })
  return (
    <>
      {user.totp && (
        <Act account={aid} operation="endTotp" variant="default" onClick={endTotp}>
          {t('Take the app away')}
        </Act>
      )}
      {user.enabled ? (
        <Act account={aid} operation="disableUser" variant="default" onClick={() => done(disable(), t('{{name}} is shut out.', { name: user.username }), enable)}>
          {t('Shut out')}
        </Act>
      ) : (
        <Act account={aid} operation="enableUser" variant="default" onClick={() => done(enable(), t('{{name}} may log in.', { name: user.username }))}>
          {t('Let in again')}
        </Act>
      )}
    </>
  )
}

function Rename({ aid, username }: { aid: string; username: string }) {
  const navigate = useNavigate()
  const form = useForm({ initialValues: { username } })
  const { submit, saving } = useSave(
    form,
    async (body) => (await client.POST('/v1/accounts/{aid}/auth/users/{username}/change_username', { params: { path: { aid, username } }, body })).data!,
    (user) => {
      tell(t('Saved.'))
      void navigate({ to: '/$account/auth-users/$name', params: { account: aid, name: user.username }, replace: true })
    },
  )
  return (
    <form onSubmit={submit}>
      <Card withBorder>
        <Stack>
          <TextInput label={t('Username')} description={t('Its sessions go on under another one.')} required maw={420} {...form.getInputProps('username')} />
          <End account={aid} operation="changeUsername" saving={saving} act={t('Rename')} />
        </Stack>
      </Card>
    </form>
  )
}
