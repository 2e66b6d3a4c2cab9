import { Card, NumberInput, Select, Stack, Switch, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { api, client, type Schema } from '../api/client'
import { changed } from '../forms/changed'
import { End } from '../forms/end'
import { Fresh } from '../forms/fresh'
import { useSave } from '../forms/use-save'
import { useAccount } from '../ui/account'
import { tell } from '../ui/confirm'
import { Page } from '../ui/page'
import { NotYet } from '../ui/not-yet'
import { t } from '../words/words'

const ALGORITHMS: Schema['Algorithm'][] = ['ES256', 'RS256', 'EdDSA']

/** The account's own settings. */
export function SettingsPage() {
  const aid = useAccount()
  const settings = api.useQuery('get', '/v1/accounts/{aid}/management/settings', { params: { path: { aid } } })
  if (!settings.data) return <NotYet query={settings} />
  return (
    <Page title={t('Settings')} about={t('What holds for this account, and what it is called.')}>
      <Fresh data={settings.data} version={settings.data.updated_at}>
        {(account) => <SettingsForm aid={aid} account={account} />}
      </Fresh>
    </Page>
  )
}

function SettingsForm({ aid, account }: { aid: string; account: Schema['Account'] }) {
  const form = useForm({
    initialValues: {
      display_name: account.display_name,
      icon_url: account.icon_url ?? '',
      language_code: account.language_code ?? '',
      partner_access: account.partner_access,
      signing_algorithm: account.signing_algorithm,
      token_lifetime: (account.token_lifetime ?? '') as number | string,
    },
  })
  const { submit, saving } = useSave(
    form,
    async ({ display_name, icon_url, language_code, partner_access, signing_algorithm, token_lifetime }) => {
      const body = {
        display_name,
        icon_url: icon_url || null,
        ...(language_code ? { language_code } : {}),
        partner_access,
        signing_algorithm,
        token_lifetime: token_lifetime === '' ? null : Number(token_lifetime),
      }
      return client.PUT('/v1/accounts/{aid}/management/settings', { params: { path: { aid } }, body: changed(form, body) })
    },
    () => tell(t('Saved.')),
  )
  return (
    <form onSubmit={submit}>
      <Card withBorder>
        <Stack maw={560}>
          <TextInput label={t('Name')} required {...form.getInputProps('display_name')} />
          <TextInput label={t('Logo')} description={t('An address that begins with https:// – it stands in mails.')} {...form.getInputProps('icon_url')} />
          <TextInput label={t('Language of messages')} description={t('Two letters, as en or nb.')} maxLength={2} {...form.getInputProps('language_code')} />
          <NumberInput
            label={t('How long access tokens live, in seconds')}
            placeholder={t('Server default')}
            min={60}
            max={86400}
            {...form.getInputProps('token_lifetime')}
          />
          <Select label={t('What the next signing key signs with')} allowDeselect={false} data={ALGORITHMS} {...form.getInputProps('signing_algorithm')} />
          <Switch
            label={t('The account above may enter')}
            description={t('Off ends the tokens that it has here.')}
            {...form.getInputProps('partner_access', { type: 'checkbox' })}
          />
          <End account={aid} operation="updateSettings" saving={saving} />
        </Stack>
      </Card>
    </form>
  )
}
