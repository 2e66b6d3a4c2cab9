import { Anchor, Breadcrumbs, Group, Stack, Text, Title } from '@mantine/core'
import { Link, type LinkProps } from '@tanstack/react-router'
import { type ReactNode, useEffect } from 'react'

interface PageProps {
  title: string
  /** What it is about, in a sentence. */
  about?: ReactNode
  /** The page above, where this is one of many. */
  up?: { title: string } & LinkProps
  action?: ReactNode
  children: ReactNode
}

/** A page: what it is, what one can do, what there is. */
export function Page({ title, about, up, action, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · Tenantry`
  }, [title])
  return (
    <Stack gap="lg">
      <Group justify="space-between" align="flex-end" gap="sm">
        <Stack gap={4} miw={0}>
          {up && (
            <Breadcrumbs>
              <Anchor component={Link} size="sm" {...(up as object)}>
                {up.title}
              </Anchor>
            </Breadcrumbs>
          )}
          <Title order={1} size="h2" className="wrap">
            {title}
          </Title>
          {about && <Text c="dimmed">{about}</Text>}
        </Stack>
        <Group gap="xs">{action}</Group>
      </Group>
      {children}
    </Stack>
  )
}
