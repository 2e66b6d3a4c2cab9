import { Checkbox, Group, PasswordInput, Stack, Text } from '@mantine/core'
import type { UseFormReturnType } from '@mantine/form'
import { type CustomerSettings, HASHED } from '../util/customer-settings'
import { t } from '../words/words'

/** Hashes of addresses that are kept as tokens, in step with them. */
export function AutoTokens({ form }: { form: UseFormReturnType<CustomerSettings> }) {
  const names = { email: t('E-mail'), phone_number: t('Phone number') }
  return (
    <Stack>
      <Text size="sm" c="dimmed">
        {t('A hash of an address is kept as a token: so a partner can look somebody up without telling who.')}
      </Text>
      {HASHED.map((field) => (
        <Group key={field} role="group" aria-label={names[field]} align="flex-start">
          <Text size="sm" w={120}>
            {names[field]}
          </Text>
          <Checkbox label="SHA-256" {...form.getInputProps(`auto_tokens.${field}.sha256`, { type: 'checkbox' })} />
          <Checkbox label="HMAC-SHA-256" {...form.getInputProps(`auto_tokens.${field}.hmac`, { type: 'checkbox' })} />
          {form.values.auto_tokens[field].hmac && (
            <PasswordInput
              aria-label={t('Key of the HMAC')}
              placeholder={t('Key; left out: the one there is')}
              autoComplete="off"
              w={280}
              {...form.getInputProps(`auto_tokens.${field}.secret`)}
              error={form.errors[`auto_tokens.${field}`]}
            />
          )}
        </Group>
      ))}
    </Stack>
  )
}
