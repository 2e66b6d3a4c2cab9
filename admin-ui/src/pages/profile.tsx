import { Button, Card, Group, PasswordInput, SegmentedControl, Select, Stack, Text, Title, useMantineColorScheme } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useQuery } from '@tanstack/react-query'
import { client } from '../api/client'
import { ownUser, signedOut } from '../api/session'
import { SecondFactors } from '../forms/second-factors'
import { useSave } from '../forms/use-save'
import { confirm, tell } from '../ui/confirm'
import { NotYet } from '../ui/not-yet'
import { Page } from '../ui/page'
import { LANGUAGES, type Language, language, setLanguage, t } from '../words/words'

/** Oneself: password, second factor, how the console looks. */
export function ProfilePage() {
  const user = useQuery({ queryKey: ['own user'], queryFn: () => ownUser(true) })
  if (!user.data) return <NotYet query={user} />
  const everywhere = () =>
    confirm({
      title: t('Sign out everywhere?'),
      consequence: t('All your sessions end, on every machine, this one too.'),
      act: t('Sign out everywhere'),
      run: async () => {
        await client.DELETE('/v1/account/user/sessions')
        await signedOut()
      },
    })
  return (
    <Page title={t('Your profile')} about={user.data.email}>
      <Looks />
      <PasswordCard />
      <SecondFactors user={user.data} />
      <Card withBorder>
        <Group justify="space-between">
          <Text size="sm">{t('Lost a machine? End all sessions.')}</Text>
          <Button color="red" variant="outline" onClick={everywhere}>
            {t('Sign out everywhere')}
          </Button>
        </Group>
      </Card>
    </Page>
  )
}

function Looks() {
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  return (
    <Card withBorder>
      <Group align="flex-end">
        <Stack gap={4}>
          <Text size="sm" fw={500} id="theme">
            {t('Theme')}
          </Text>
          <SegmentedControl
            aria-labelledby="theme"
            value={colorScheme}
            onChange={(value) => setColorScheme(value as typeof colorScheme)}
            data={[
              { value: 'auto', label: t('As the system') },
              { value: 'light', label: t('Light') },
              { value: 'dark', label: t('Dark') },
            ]}
          />
        </Stack>
        <Select
          label={t('Language')}
          value={language()}
          allowDeselect={false}
          onChange={(value) => setLanguage((value ?? 'en') as Language)}
          data={Object.entries(LANGUAGES).map(([value, label]) => ({ value, label }))}
        />
      </Group>
    </Card>
  )
}

function PasswordCard() {
  const form = useForm({ initialValues: { previous_password: '', proposed_password: '' } })
  const { submit, saving } = useSave(
    form,
    (body) => client.PUT('/v1/account/user/password', { body }),
    () => {
      form.reset()
      tell(t('The password is changed.'))
    },
  )
  return (
    <form onSubmit={submit}>
      <Card withBorder>
        <Stack maw={420}>
          <Title order={2} size="h4">
            {t('Password')}
          </Title>
          <PasswordInput label={t('The one until now')} autoComplete="current-password" required {...form.getInputProps('previous_password')} />
          <PasswordInput
            label={t('Another')}
            description={t('At least 8 characters; none that everybody tries first.')}
            autoComplete="new-password"
            required
            {...form.getInputProps('proposed_password')}
          />
          <Group>
            <Button type="submit" loading={saving}>
              {t('Change the password')}
            </Button>
          </Group>
        </Stack>
      </Card>
    </form>
  )
}
