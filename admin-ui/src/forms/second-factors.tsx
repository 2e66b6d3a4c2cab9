import { Badge, Button, Card, Group, Image, PasswordInput, Stack, Text, TextInput, Title } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useState } from 'react'
import { renderSVG } from 'uqr'
import { client, type Schema } from '../api/client'
import { queries } from '../api/queries'
import type { OwnUser } from '../api/session'
import { Copy } from '../ui/copy'
import { Dialog } from '../ui/dialog'
import { t } from '../words/words'
import { show } from './told'

type Step = 'totp on' | 'totp off' | 'sms on' | 'sms off' | 'codes'

/** One's second factors: an app, text messages, recovery codes. */
export function SecondFactors({ user }: { user: OwnUser }) {
  const { totp, sms } = user.configuration.mfa
  const [step, setStep] = useState<Step>()
  const [codes, setCodes] = useState<string[]>()
  const end = () => {
    setStep(undefined)
    setCodes(undefined)
  }
  const row = (name: string, on: boolean, steps: [Step, Step]) => (
    <Group justify="space-between">
      <Group gap="xs">
        <Text>{name}</Text>
        <Badge color={on ? 'teal' : 'gray'} variant="light">
          {on ? t('On') : t('Off')}
        </Badge>
      </Group>
      <Button variant="default" size="xs" onClick={() => setStep(on ? steps[1] : steps[0])} aria-label={`${name}: ${on ? t('Turn off') : t('Turn on')}`}>
        {on ? t('Turn off') : t('Turn on')}
      </Button>
    </Group>
  )
  return (
    <Card withBorder>
      <Stack>
        <Title order={2} size="h4">
          {t('Second factor')}
        </Title>
        {row(t('App that shows codes'), totp, ['totp on', 'totp off'])}
        {row(t('Codes by SMS'), sms, ['sms on', 'sms off'])}
        {totp && (
          <Group>
            <Button variant="default" size="xs" onClick={() => setStep('codes')}>
              {t('Make new recovery codes')}
            </Button>
          </Group>
        )}
      </Stack>
      <Dialog opened={!!step} onClose={end} title={t('Second factor')} closeOnClickOutside={false} closeOnEscape={!codes} withCloseButton={!codes}>
        {codes ? <Codes codes={codes} onDone={end} /> : step && <StepForm step={step} onCodes={setCodes} onDone={end} />}
      </Dialog>
    </Card>
  )
}

/** What has to be shown, then what comes of it: an app's secret, recovery codes. */
function StepForm({ step, onCodes, onDone }: { step: Step; onCodes: (codes?: string[]) => void; onDone: () => void }) {
  const form = useForm({ initialValues: { password: '', phone_number: '', otp: '' } })
  const [setup, setSetup] = useState<Schema['TotpSetup']>()
  const act = async ({ password, phone_number, otp }: typeof form.values) => {
    if (setup) return onCodes((await client.POST('/v1/account/user/mfa/totp/confirm', { body: { otp } })).data?.recovery_codes)
    if (step === 'totp on') return setSetup((await client.POST('/v1/account/user/mfa/totp', { body: { password } })).data)
    if (step === 'codes') return onCodes((await client.POST('/v1/account/user/mfa/recovery-codes', { body: { password } })).data?.recovery_codes)
    if (step === 'totp off') await client.DELETE('/v1/account/user/mfa/totp', { body: { password } })
    else await client.PUT('/v1/account/user/mfa/sms', { body: { enabled: step === 'sms on', password, ...(phone_number && { phone_number }) } })
    onDone()
  }
  const submit = form.onSubmit(async (values) => {
    try {
      await act(values)
      await queries.invalidateQueries()
    } catch (error) {
      show(form, error)
    }
  })
  return (
    <form onSubmit={submit}>
      <Stack>
        {setup ? (
          <>
            <Text size="sm">{t('Show this to the app, or type it there; then the code that it shows.')}</Text>
            <Image src={picture(setup.uri)} w={180} h={180} alt={t('A QR code of the secret')} />
            <Copy value={setup.secret} label={t('Copy the secret')} />
            <TextInput label={t('Code')} inputMode="numeric" autoComplete="one-time-code" required {...form.getInputProps('otp')} />
          </>
        ) : (
          <>
            {step === 'sms on' && <TextInput label={t('Phone number')} type="tel" placeholder="+47…" required {...form.getInputProps('phone_number')} />}
            <PasswordInput label={t('Your password')} autoComplete="current-password" required {...form.getInputProps('password')} />
          </>
        )}
        <Button type="submit" loading={form.submitting}>
          {t('Go on')}
        </Button>
      </Stack>
    </form>
  )
}

function Codes({ codes, onDone }: { codes: string[]; onDone: () => void }) {
  return (
    <Stack>
      <Text size="sm">{t('Keep these codes: each works once when the app is lost. They are shown this once.')}</Text>
      {codes.map((code) => (
        <Copy key={code} value={code} />
      ))}
      <Group justify="flex-end">
        <Button variant="default" component="a" href={`data:text/plain,${encodeURIComponent(codes.join('\n'))}`} download="recovery-codes.txt">
          {t('Download')}
        </Button>
        <Button onClick={onDone}>{t('I have kept them')}</Button>
      </Group>
    </Stack>
  )
}

/** What an app reads, as a picture. */
function picture(uri: string): string {
  return `data:image/svg+xml,${encodeURIComponent(renderSVG(uri))}`
}
