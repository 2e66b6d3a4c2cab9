import { Button, Group, SegmentedControl, Stack, Text, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useState } from 'react'
import { open, type signedIn } from '../api/session'
import { failed } from '../ui/confirm'
import { t } from '../words/words'
import { told } from './told'
import { useAsk } from './use-ask'

export interface SecondFactor {
  mfaToken: string
}

type Way = 'otp' | 'sms' | 'recovery_code'

interface Props {
  factor: SecondFactor
  onDone: (token: Parameters<typeof signedIn>[0]) => void
}

/** A code of an app, one that is sent, or a recovery code. */
export function SecondFactorForm({ factor, onDone }: Props) {
  const [way, setWay] = useState<Way>('otp')
  const [sent, setSent] = useState<string>()
  const form = useForm({ initialValues: { code: '' } })
  const send = async () => {
    const body = { mfa_token: factor.mfaToken, oob_channel: 'sms' } as const
    const { data, error, response } = await open.POST('/v1/account/login/challenge', { body })
    if (data) setSent(data.oob_code)
    else await told(form, response, error)
  }
  const submit = useAsk(form, async ({ code }) => {
    const proof = { otp: { otp: code }, recovery_code: { recovery_code: code }, sms: { oob_code: sent ?? '', binding_code: code } }[way]
    const { data, error, response } = await open.POST('/v1/account/login/code', { body: { mfa_token: factor.mfaToken, ...proof } })
    if (data) onDone(data)
    else await told(form, response, error)
  })
  return (
    <form onSubmit={submit}>
      <Stack>
        <SegmentedControl
          aria-label={t('Second factor')}
          value={way}
          onChange={(way) => setWay(way as Way)}
          data={[
            { value: 'otp', label: t('App') },
            { value: 'sms', label: t('SMS') },
            { value: 'recovery_code', label: t('Recovery code') },
          ]}
        />
        {way === 'sms' && (
          <Group justify="space-between">
            <Text size="sm">{sent ? t('A code is on its way.') : t('Have a code sent to your phone.')}</Text>
            <Button variant="default" size="xs" onClick={() => void send().catch(failed)}>
              {sent ? t('Send another') : t('Send a code')}
            </Button>
          </Group>
        )}
        <TextInput
          label={way === 'recovery_code' ? t('Recovery code') : t('Code')}
          autoComplete="one-time-code"
          inputMode={way === 'recovery_code' ? 'text' : 'numeric'}
          required
          autoFocus
          disabled={way === 'sms' && !sent}
          {...form.getInputProps('code')}
        />
        <Button type="submit" loading={form.submitting}>
          {t('Sign in')}
        </Button>
      </Stack>
    </form>
  )
}
