import { Anchor, Button, Card, Center, Group, PasswordInput, Stack, Text, TextInput, Title } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { type ReactNode, useEffect, useState } from 'react'
import { queries } from '../api/queries'
import { open, signedIn } from '../api/session'
import { type SecondFactor, SecondFactorForm } from '../forms/second-factor'
import { useAsk } from '../forms/use-ask'
import { told } from '../forms/told'
import { Mark } from '../ui/mark'
import { t } from '../words/words'

type Stage = { name: 'password' } | { name: 'second'; factor: SecondFactor } | { name: 'forgot' } | { name: 'sent' }

/** The way in: address and password, the second factor, and the way back for whoever lost the password. */
export function SignInPage() {
  const [stage, setStage] = useState<Stage>({ name: 'password' })
  const { back } = useSearch({ from: '/sign-in' })
  const navigate = useNavigate()
  const done = (token: Parameters<typeof signedIn>[0]) => {
    signedIn(token)
    // Nothing of whoever was here before.
    queries.clear()
    void navigate({ href: back ?? '/', replace: true })
  }
  useEffect(() => {
    document.title = `${t('Sign in')} · Tenantry`
  }, [])
  return (
    <Center mih="100dvh" p="md" component="main">
      <Card withBorder shadow="sm" padding="xl" w="100%" maw={400}>
        <Stack>
          <Group gap="sm">
            <Mark />
            <Title order={1} size="h3">
              {stage.name === 'forgot' || stage.name === 'sent' ? t('Choose another password') : t('Sign in')}
            </Title>
          </Group>
          {stage.name === 'password' && (
            <PasswordForm
              onDone={done}
              onSecond={(factor) => setStage({ name: 'second', factor })}
              forgot={
                <Anchor component="button" type="button" size="sm" onClick={() => setStage({ name: 'forgot' })}>
                  {t('Forgot the password?')}
                </Anchor>
              }
            />
          )}
          {stage.name === 'second' && <SecondFactorForm factor={stage.factor} onDone={done} />}
          {stage.name === 'forgot' && <ForgotForm onSent={() => setStage({ name: 'sent' })} />}
          {stage.name === 'sent' && (
            <Text role="status">{t('If somebody is known by this address, a message with a link is on its way.')}</Text>
          )}
          {stage.name !== 'password' && (
            <Anchor component="button" type="button" size="sm" onClick={() => setStage({ name: 'password' })}>
              {t('Back to sign-in')}
            </Anchor>
          )}
        </Stack>
      </Card>
    </Center>
  )
}

interface PasswordProps {
  onDone: (token: Parameters<typeof signedIn>[0]) => void
  onSecond: (factor: SecondFactor) => void
  forgot: ReactNode
}

function PasswordForm({ onDone, onSecond, forgot }: PasswordProps) {
  const form = useForm({ initialValues: { email: '', password: '' } })
  const submit = useAsk(form, async (body) => {
    const { data, error, response } = await open.POST('/v1/account/login', { body })
    if (data) return onDone(data)
    const factor = error && 'mfa_token' in error ? error.mfa_token : undefined
    if (typeof factor === 'string') return onSecond({ mfaToken: factor })
    await told(form, response, error)
  })
  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput label={t('E-mail')} type="email" autoComplete="username" required autoFocus {...form.getInputProps('email')} />
        <PasswordInput label={t('Password')} autoComplete="current-password" required {...form.getInputProps('password')} />
        <Button type="submit" loading={form.submitting}>
          {t('Sign in')}
        </Button>
        {forgot}
      </Stack>
    </form>
  )
}

function ForgotForm({ onSent }: { onSent: () => void }) {
  const form = useForm({ initialValues: { email: '' } })
  const submit = useAsk(form, async (body) => {
    const { error, response } = await open.POST('/v1/account/password/forgot', { body })
    if (response.ok) onSent()
    else await told(form, response, error)
  })
  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput label={t('E-mail')} type="email" autoComplete="username" required autoFocus {...form.getInputProps('email')} />
        <Button type="submit" loading={form.submitting}>
          {t('Send a link')}
        </Button>
      </Stack>
    </form>
  )
}
