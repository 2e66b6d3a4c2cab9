import { Card, JsonInput, SimpleGrid, Stack, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { client, type Schema } from '../api/client'
import { tell } from '../ui/confirm'
import { t } from '../words/words'
import { End } from './end'
import { useSave } from './use-save'

const FIELDS = ['first_name', 'last_name', 'email', 'phone_number', 'date_of_birth', 'gender', 'status', 'favorite_store'] as const

/** What is known of a customer. */
export function CustomerForm({ aid, customer }: { aid: string; customer: Schema['Customer'] }) {
  const own = Object.fromEntries(FIELDS.map((field) => [field, customer[field] ?? ''])) as Record<(typeof FIELDS)[number], string>
  const form = useForm({
    initialValues: { ...own, metadata: customer.metadata ? JSON.stringify(customer.metadata, null, 2) : '' },
    validate: { metadata: (text) => (text === '' || parsed(text) ? null : t('This is no JSON object.')) },
  })
  const { submit, saving } = useSave(
    form,
    async ({ metadata, ...fields }) => {
      // Only what was changed: what is left out stays, null clears.
      const changed = Object.entries(fields).filter(([field, value]) => value !== own[field as keyof typeof own])
      const rest = form.isDirty('metadata') ? { metadata: replaced(customer.metadata, metadata === '' ? null : (parsed(metadata) ?? null)) } : {}
      const body = { ...Object.fromEntries(changed.map(([field, value]) => [field, value || null])), ...rest } as Schema['CustomerUpdate']
      const path = { aid, customer_id: customer.customer_id }
      return client.PUT('/v1/accounts/{aid}/customers/users/{customer_id}', { params: { path }, body })
    },
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
          <JsonInput label={t('Metadata')} description={t('A JSON object of what you keep with it.')} autosize minRows={3} {...form.getInputProps('metadata')} />
          <End account={aid} operation="updateCustomer" saving={saving} />
        </Stack>
      </Card>
    </form>
  )
}

type Metadata = Record<string, unknown>

function parsed(text: string): Metadata | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return value && typeof value === 'object' && !Array.isArray(value) ? (value as Metadata) : undefined
  } catch {
    return undefined
  }
}

/** A change that leaves exactly these pairs: null for a key takes it away. */
function replaced(before: Metadata | null | undefined, after: Metadata | null): Metadata | null {
  return after && { ...Object.fromEntries(Object.keys(before ?? {}).map((key) => [key, null])), ...after }
}
