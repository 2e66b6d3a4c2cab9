import { Card, Fieldset, Group, JsonInput, SimpleGrid, Stack, Switch, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { client, type Schema } from '../api/client'
import { tell } from '../ui/confirm'
import { blankAddress, fromCustomer, parsed, toChange } from '../util/customer'
import { t } from '../words/words'
import { CustomerAttributes } from './customer-attributes'
import { End } from './end'
import { Entries, Wrong } from './entries'
import { useSave } from './use-save'

interface Props {
  aid: string
  customer: Schema['Customer']
  /** Attributes that the account has declared. */
  declared: Schema['CustomerAttribute'][]
}

/** What is known of a customer. */
export function CustomerForm({ aid, customer, declared }: Props) {
  const form = useForm({
    initialValues: fromCustomer(customer, declared),
    validate: { metadata: (text) => (text === '' || parsed(text) ? null : t('This is no JSON object.')) },
  })
  const path = { aid, customer_id: customer.customer_id }
  const { submit, saving } = useSave(
    form,
    (values) => client.PUT('/v1/accounts/{aid}/customers/users/{customer_id}', { params: { path }, body: toChange(values, customer) }),
    () => tell(t('Saved.')),
  )
  return (
    <form onSubmit={submit}>
      <Card withBorder>
        <Stack>
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <TextInput label={t('First name')} {...form.getInputProps('first_name')} />
            <TextInput label={t('Last name')} {...form.getInputProps('last_name')} />
            <TextInput label={t('E-mail')} type="email" {...form.getInputProps('email')} />
            <TextInput label={t('Phone number')} type="tel" {...form.getInputProps('phone_number')} />
            <TextInput label={t('Date of birth')} type="date" {...form.getInputProps('date_of_birth')} />
            <TextInput label={t('Gender')} {...form.getInputProps('gender')} />
            <TextInput label={t('State')} {...form.getInputProps('status')} />
            <TextInput label={t('Favourite store')} {...form.getInputProps('favorite_store')} />
          </SimpleGrid>
          {(customer.type === 'company' || customer.type === 'other') && (
            <Fieldset legend={t('Company')}>
              <SimpleGrid cols={{ base: 1, sm: 3 }}>
                <TextInput label={t('Company')} required={customer.type === 'company'} {...form.getInputProps('company.bussiness_name')} />
                <TextInput label={t('Number in the register')} {...form.getInputProps('company.organization_number')} />
                <TextInput label={t('Website')} {...form.getInputProps('company.website')} />
              </SimpleGrid>
              <Wrong>{form.errors.company}</Wrong>
            </Fieldset>
          )}
          <CustomerAttributes form={form} />
          <Entries
            form={form}
            name="addresses"
            legend={t('Addresses')}
            blank={blankAddress()}
            add={t('Add an address')}
            columns={[
              { field: 'address_line', label: t('Street and number'), kind: 'text' },
              { field: 'postal_code', label: t('Postal code'), kind: 'text', optional: true },
              { field: 'postal_place', label: t('Town'), kind: 'text' },
              { field: 'country', label: t('Country: two letters'), kind: 'text' },
            ]}
          />
          <Group>
            <Switch label={t('Wants news by e-mail')} {...form.getInputProps('consent.email', { type: 'checkbox' })} />
            <Switch label={t('Wants news by text message')} {...form.getInputProps('consent.sms', { type: 'checkbox' })} />
          </Group>
          <JsonInput label={t('Metadata')} description={t('A JSON object of what you keep with it.')} autosize minRows={3} {...form.getInputProps('metadata')} />
          <End account={aid} operation="updateCustomer" saving={saving} />
        </Stack>
      </Card>
    </form>
  )
}
