import { Button, CloseButton, Fieldset, Group, NumberInput, Select, Stack, Switch, Text, TextInput } from '@mantine/core'
import type { UseFormReturnType } from '@mantine/form'
import { IconPlus } from '@tabler/icons-react'
import type { ReactNode } from 'react'
import { t } from '../words/words'

interface Column {
  field: string
  label: string
  kind: 'text' | 'number' | 'switch' | string[]
  optional?: boolean
}

interface EntriesProps<V extends object, Entry> {
  form: UseFormReturnType<V>
  /** The list among the form's values. */
  name: string
  legend: string
  about?: string
  blank: Entry
  add: string
  columns: Column[]
}

/** A list in a form, whose entries come and go. */
export function Entries<V extends object, Entry>({ form, name, legend, about, blank, add, columns }: EntriesProps<V, Entry>) {
  const entries = (form.values as Record<string, Entry[]>)[name] ?? []
  return (
    <Fieldset legend={legend}>
      <Stack>
        {about && (
          <Text size="sm" c="dimmed">
            {about}
          </Text>
        )}
        {entries.map((_, at) => (
          <Group key={at} role="group" aria-label={`${legend} ${at + 1}`} gap="sm" align="center">
            {columns.map(({ field, label, kind, optional }) => {
              const path = `${name}.${at}.${field}`
              if (kind === 'switch') return <Switch key={field} label={label} {...form.getInputProps(path, { type: 'checkbox' })} />
              if (kind === 'number') return <NumberInput key={field} aria-label={label} placeholder={label} min={1} w={140} required {...form.getInputProps(path)} />
              if (kind === 'text') return <TextInput key={field} aria-label={label} placeholder={label} w={180} required={!optional} {...form.getInputProps(path)} />
              return <Select key={field} aria-label={label} data={kind} allowDeselect={false} w={140} {...form.getInputProps(path)} />
            })}
            <Wrong>{form.errors[`${name}.${at}`]}</Wrong>
            <CloseButton aria-label={t('Remove {{name}}', { name: `${legend} ${at + 1}` })} onClick={() => form.removeListItem(name, at)} />
          </Group>
        ))}
        <Wrong>{form.errors[name]}</Wrong>
        <Group>
          <Button variant="default" size="compact-sm" leftSection={<IconPlus size={14} />} onClick={() => form.insertListItem(name, blank as never)}>
            {add}
          </Button>
        </Group>
      </Stack>
    </Fieldset>
  )
}

/** What is wrong with more than one input. */
export function Wrong({ children }: { children: ReactNode }) {
  return children ? (
    <Text size="sm" c="red" role="alert">
      {children}
    </Text>
  ) : null
}
