import { Group, Select, Stack, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useNavigate } from '@tanstack/react-router'
import { client, type Schema } from '../api/client'
import { KINDS } from '../pages/customers'
import { Dialog } from '../ui/dialog'
import { t } from '../words/words'
import { End } from './end'
import { useSave } from './use-save'

interface Props {
  account: string
  opened: boolean
  onClose: () => void
}

export function NewCustomer(props: Props) {
  return (
    <Dialog opened={props.opened} onClose={props.onClose} title={t('New customer')}>
      <NewCustomerForm {...props} />
    </Dialog>
  )
}

function NewCustomerForm({ account: aid, onClose }: Props) {
  const navigate = useNavigate()
  const form = useForm({
    initialValues: { type: 'customer' as Schema['CustomerType'], customer_id: '', first_name: '', last_name: '', company: '', email: '', phone_number: '' },
  })
  const { submit, saving } = useSave(
    form,
    async ({ type, company, ...rest }) => {
      const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value))
      const body = { type, ...given, ...(company ? { company: { bussiness_name: company } } : {}) }
      return (await client.POST('/v1/accounts/{aid}/customers/users', { params: { path: { aid } }, body })).data!
    },
    (made) => {
      onClose()
      void navigate({ to: '/$account/customers/$id', params: { account: aid, id: made.customer_id } })
    },
  )
  return (
    <form onSubmit={submit}>
      <Stack>
        <Select label={t('Kind')} allowDeselect={false} data={KINDS} {...form.getInputProps('type')} />
        <TextInput label={t('Customer ID')} description={t('Made by the server if left out; never given to another.')} {...form.getInputProps('customer_id')} />
        {form.values.type === 'company' ? (
          <TextInput label={t('Company')} required {...form.getInputProps('company')} />
        ) : (
          <Group grow align="flex-start">
            <TextInput label={t('First name')} {...form.getInputProps('first_name')} />
            <TextInput label={t('Last name')} {...form.getInputProps('last_name')} />
          </Group>
        )}
        <TextInput label={t('E-mail')} type="email" {...form.getInputProps('email')} />
        <TextInput label={t('Phone number')} type="tel" placeholder="+47…" {...form.getInputProps('phone_number')} />
        <End account={aid} operation="createCustomer" saving={saving} act={t('Create')} onCancel={onClose} />
      </Stack>
    </form>
  )
}
