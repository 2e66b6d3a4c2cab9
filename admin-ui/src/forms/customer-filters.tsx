import { Button, Group, Pill, SimpleGrid, Stack, Switch, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useDisclosure } from '@mantine/hooks'
import { IconFilter } from '@tabler/icons-react'
import { useNavigate } from '@tanstack/react-router'
import type { CustomerSearch } from '../router'
import { Dialog } from '../ui/dialog'
import { t } from '../words/words'

/** Filters that are asked for seldom. */
const SELDOM = ['email', 'phone', 'token_type', 'token_value', 'attribute', 'value', 'deleted'] as const
type Seldom = (typeof SELDOM)[number]

/** The filters that are on, each with the way to turn it off; and the dialog with all of them. */
export function CustomerFilters({ search }: { search: CustomerSearch }) {
  const [asking, { open, close }] = useDisclosure(false)
  const navigate = useNavigate()
  const names = {
    email: t('E-mail'),
    phone: t('Phone number'),
    token_type: t('Type of a token'),
    token_value: t('Value of a token'),
    attribute: t('Attribute'),
    value: t('Its value'),
    deleted: t('Erased ones, too'),
  }
  const put = (values: Partial<Record<Seldom, string>>) => {
    const given = Object.fromEntries(SELDOM.map((name) => [name, values[name] || undefined]))
    void navigate({ to: '.', search: ((before: object) => ({ ...before, ...given })) as never, replace: true })
    close()
  }
  return (
    <Group gap="xs">
      <Button variant="default" leftSection={<IconFilter size={16} />} onClick={open}>
        {t('More filters')}
      </Button>
      {SELDOM.filter((name) => search[name]).map((name) => (
        <Pill
          key={name}
          withRemoveButton
          removeButtonProps={{ 'aria-label': t('Remove {{name}}', { name: names[name] }), 'aria-hidden': false, tabIndex: 0 }}
          onRemove={() => put({ ...search, [name]: '' })}
        >
          {name === 'deleted' ? names.deleted : `${names[name]}: ${search[name]}`}
        </Pill>
      ))}
      <Dialog opened={asking} onClose={close} title={t('More filters')}>
        <FilterForm search={search} names={names} onDone={put} />
      </Dialog>
    </Group>
  )
}

interface FormProps {
  search: CustomerSearch
  names: Record<Seldom, string>
  onDone: (values: Partial<Record<Seldom, string>>) => void
}

function FilterForm({ search, names, onDone }: FormProps) {
  const form = useForm({ initialValues: Object.fromEntries(SELDOM.map((name) => [name, search[name] ?? ''])) as Record<Seldom, string> })
  const field = (name: Seldom, about?: string) => <TextInput label={names[name]} description={about} {...form.getInputProps(name)} />
  return (
    <form onSubmit={form.onSubmit(onDone)}>
      <Stack>
        {field('email', t('How it begins.'))}
        {field('phone', t('How it begins, with the country: +47'))}
        <SimpleGrid cols={2}>
          {field('token_type')}
          {field('token_value')}
          {field('attribute')}
          {field('value')}
        </SimpleGrid>
        <Switch label={names.deleted} checked={form.values.deleted !== ''} onChange={(event) => form.setFieldValue('deleted', event.currentTarget.checked ? 'yes' : '')} />
        <Group justify="flex-end">
          <Button variant="default" onClick={() => onDone({})}>
            {t('Clear')}
          </Button>
          <Button type="submit">{t('Filter')}</Button>
        </Group>
      </Stack>
    </form>
  )
}
