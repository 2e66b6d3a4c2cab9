import { Badge, Box, Checkbox, Group, Stack, Table, TagsInput, Text, TextInput, Tooltip } from '@mantine/core'
import { IconSearch } from '@tabler/icons-react'
import { useState } from 'react'
import { VERBS, holds, resources } from '../util/scopes'
import { t } from '../words/words'

/** Scopes, shown. */
export function Scopes({ all }: { all: readonly string[] }) {
  if (all.length === 0) return <Text c="dimmed">{t('None')}</Text>
  return (
    <Group gap={4}>
      {all.map((scope) => (
        <Badge key={scope} variant="default" tt="none" fw={500} className="mono">
          {scope}
        </Badge>
      ))}
    </Group>
  )
}

interface MatrixProps {
  label: string
  value: string[]
  onChange: (scopes: string[]) => void
  /** What whoever chooses holds: nobody gives more than that. */
  held: ReadonlySet<string>
  error?: React.ReactNode
}

/** Scopes, chosen: resources by verbs, then those of a part of a resource, then any other. */
export function ScopeMatrix({ label, value, onChange, held, error }: MatrixProps) {
  const [search, setSearch] = useState('')
  const chosen = new Set(value)
  const known = new Set(resources.flatMap(({ name, verbs, paths }) => [...verbs.map((verb) => `${verb}:${name}`), ...paths]))
  const others = value.filter((scope) => !known.has(scope))
  const put = (scope: string, on: boolean) => onChange(on ? [...value, scope] : value.filter((one) => one !== scope))
  const box = (scope: string, text: string | undefined) => {
    const lacking = !holds(held, scope) && !chosen.has(scope)
    const covered = !chosen.has(scope) && holds(value, scope)
    const why = lacking ? t('You do not hold this yourself') : covered ? t('Given by a wider scope') : undefined
    const input = (
      <Checkbox
        aria-label={scope}
        {...(why ? { 'aria-description': why } : {})}
        label={text && <span className="mono wrap">{text}</span>}
        checked={chosen.has(scope)}
        indeterminate={covered}
        disabled={lacking}
        onChange={(event) => put(scope, event.currentTarget.checked)}
      />
    )
    return why ? (
      <Tooltip label={why}>
        <span>{input}</span>
      </Tooltip>
    ) : (
      input
    )
  }
  const wanted = search.trim().toLowerCase()
  const matching = resources
    .map((resource) => ({ ...resource, paths: resource.paths.filter((scope) => scope.toLowerCase().includes(wanted)) }))
    .filter(({ name, paths, verbs }) => paths.length > 0 || verbs.some((verb) => `${verb}:${name}`.includes(wanted)))
  const verbs = VERBS.filter((verb) => resources.some((resource) => resource.verbs.includes(verb)))
  return (
    <Stack gap="sm" role="group" aria-label={label}>
      <Group justify="space-between">
        <Text fw={500} size="sm">
          {label}
        </Text>
        <TextInput
          size="xs"
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
          placeholder={t('Search scopes')}
          aria-label={t('Search scopes')}
          leftSection={<IconSearch size={14} />}
        />
      </Group>
      {error && (
        <Text c="red" size="sm" role="alert">
          {error}
        </Text>
      )}
      <Table.ScrollContainer minWidth={360} scrollAreaProps={{ viewportProps: { tabIndex: 0, role: 'region', 'aria-label': label } }}>
        <Table verticalSpacing="xs" withTableBorder>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t('Resource')}</Table.Th>
              {verbs.map((verb) => (
                <Table.Th key={verb}>{verb}</Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {matching.map(({ name, verbs: offered }) => (
              <Table.Tr key={name}>
                <Table.Th scope="row">{name}</Table.Th>
                {verbs.map((verb) => (
                  <Table.Td key={verb}>{offered.includes(verb) && box(`${verb}:${name}`, undefined)}</Table.Td>
                ))}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {matching.some(({ paths }) => paths.length > 0) && (
        <Stack gap={6}>
          <Text size="sm" fw={500}>
            {t('Parts of a resource')}
          </Text>
          {matching.flatMap(({ paths }) => byPath(paths).map((scope) => (
            <Box key={scope} pl={20 * depth(scope, paths)}>
              {box(scope, scope)}
            </Box>
          )))}
        </Stack>
      )}
      <TagsInput
        label={t('Other scopes')}
        description={t('Of other services, or of a part that is not listed. Enter adds one.')}
        value={others}
        onChange={(scopes) => onChange([...value.filter((scope) => known.has(scope)), ...scopes])}
        splitChars={[' ', ',']}
      />
    </Stack>
  )
}

/** A part of a resource, then the parts of that. */
function byPath(scopes: readonly string[]): string[] {
  const key = (scope: string) => scope.replaceAll('/', '\0')
  return scopes.toSorted((one, two) => (key(one) < key(two) ? -1 : 1))
}

/** Below how many others that are shown a part of a resource stands. */
function depth(scope: string, all: readonly string[]): number {
  return all.filter((one) => scope.startsWith(`${one}/`)).length
}
