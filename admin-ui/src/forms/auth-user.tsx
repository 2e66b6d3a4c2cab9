import { Card, Checkbox, Group, PasswordInput, SimpleGrid, Stack, Text, TextInput } from '@mantine/core'
import { type UseFormReturnType, useForm } from '@mantine/form'
import { client, type Schema } from '../api/client'
import { Problem, addressOf } from '../api/session'
import { useToken } from '../ui/allowed'
import { linksOf, toLinks } from '../util/links'
import { t } from '../words/words'
import { End } from './end'
import { useSave } from './use-save'

interface Values {
  username: string
  password: string
  email: string
  phone_number: string
  customer_id: string
  channels: Schema['OobChannel'][]
}

function useAuthUser(aid: string, user?: Schema['AuthUser']) {
  const { data: token } = useToken(aid)
  const address = token ? addressOf(token) : ''
  const form = useForm<Values>({
    initialValues: { username: user?.username ?? '', password: '', ...linksOf(user), channels: user?.mfa?.oob_channels ?? [] },
    validate: {
      channels: (channels, { email, phone_number }) =>
        (channels.includes('email') && !email) || (channels.includes('sms') && !phone_number) ? t('A code needs somewhere to go: an e-mail or a phone number.') : null,
    },
  })
  const body = ({ password, channels, ...rest }: Values) => ({
    password,
    links: toLinks(rest, address),
    ...(channels.length > 0 ? { mfa: { challenge_type: 'oob' as const, oob_channels: channels } } : {}),
  })
  // What the server finds wrong with a link, or the channels, belongs to inputs of other names.
  const told = (values: Values) => (error: unknown) => {
    if (!(error instanceof Problem)) throw error
    const inputs = toLinks(values, address).map(({ rel }) => (rel === 'customers_user' ? 'customer_id' : rel))
    const at = (field: string) => (field === 'mfa.oob_channels' ? 'channels' : (inputs[Number(/^links\[(\d+)\]/.exec(field)?.[1])] ?? field))
    throw new Problem(error.status, error.code, error.message, error.fields.map(({ field, message }) => ({ field: at(field), message })))
  }
  return { form, body, told }
}

/** A new auth user. */
export function NewAuthUser({ account: aid, onClose, onMade }: { account: string; onClose: () => void; onMade: (name: string) => void }) {
  const { form, body, told } = useAuthUser(aid)
  const { submit, saving } = useSave(
    form,
    (values) => {
      const sent = { ...body(values), username: values.username }
      return client.POST('/v1/accounts/{aid}/auth/users', { params: { path: { aid } }, body: sent }).catch(told(values))
    },
    ({ data }) => onMade(data!.username),
  )
  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput label={t('Username')} required data-autofocus autoComplete="off" {...form.getInputProps('username')} />
        <Fields form={form} password={t('Password')} />
        <End account={aid} operation="createUser" saving={saving} act={t('Create')} onCancel={onClose} />
      </Stack>
    </form>
  )
}

/** Another password for an auth user, and where codes go. */
export function EditAuthUser({ account: aid, user, onSaved }: { account: string; user: Schema['AuthUser']; onSaved: () => void }) {
  const { form, body, told } = useAuthUser(aid, user)
  const { submit, saving } = useSave(
    form,
    (values) => {
      const path = { aid, username: user.username }
      const off = user.mfa && values.channels.length === 0 ? { mfa: null as unknown as Schema['AuthUserMfa'] } : {}
      return client.PUT('/v1/accounts/{aid}/auth/users/{username}', { params: { path }, body: { ...body(values), ...off } }).catch(told(values))
    },
    onSaved,
  )
  return (
    <form onSubmit={submit}>
      <Card withBorder>
        <Stack>
          <Text size="sm" c="dimmed">
            {t('Whatever is changed here, a password is set anew, and every session ends.')}
          </Text>
          <Fields form={form} password={t('Another password')} />
          <End account={aid} operation="updateUser" saving={saving} />
        </Stack>
      </Card>
    </form>
  )
}

function Fields({ form, password }: { form: UseFormReturnType<Values>; password: string }) {
  return (
    <>
      <PasswordInput
        label={password}
        description={t('At least 8 characters; none that everybody tries first.')}
        autoComplete="new-password"
        required
        {...form.getInputProps('password')}
      />
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <TextInput label={t('E-mail')} type="email" autoComplete="off" {...form.getInputProps('email')} />
        <TextInput label={t('Phone number')} type="tel" placeholder="+47…" autoComplete="off" {...form.getInputProps('phone_number')} />
      </SimpleGrid>
      <TextInput label={t('Customer ID')} description={t('The customer that this is, if any.')} {...form.getInputProps('customer_id')} />
      <Checkbox.Group
        label={t('Second factor')}
        description={t('Where a code goes after the password; none: the password is enough.')}
        {...form.getInputProps('channels')}
      >
        <Group mt="xs">
          <Checkbox value="sms" label={t('Text message')} />
          <Checkbox value="email" label={t('E-mail')} />
        </Group>
      </Checkbox.Group>
    </>
  )
}
