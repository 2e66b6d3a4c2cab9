import { ActionIcon, AppShell, Box, Burger, Group, Menu, Text, Tooltip, UnstyledButton } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconCommand, IconHome, IconLogout, IconUser } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link, Outlet, useLocation, useParams } from '@tanstack/react-router'
import { useEffect, useRef } from 'react'
import { ownUser, signOut } from '../api/session'
import { nothingUnsaved } from '../forms/use-save'
import { t } from '../words/words'
import { failed } from './confirm'
import { Mark } from './mark'
import { Navigation } from './navigation'
import { Palette, showPalette } from './palette'
import { Shortcuts } from './shortcuts'
import { Switcher } from './switcher'
import { ThemeToggle } from './theme-toggle'

/** What surrounds every page: where one is, where one can go, who one is. */
export function Shell() {
  const [opened, { toggle, close }] = useDisclosure(false)
  const { account } = useParams({ strict: false })
  const { pathname } = useLocation()
  const shown = useRef(pathname)
  useEffect(() => {
    // Another page: whoever reads by ear, or goes on by the keyboard, begins at its begin.
    if (shown.current !== pathname) document.getElementById('main')?.focus({ preventScroll: true })
    shown.current = pathname
  }, [pathname])
  return (
    <AppShell
      header={{ height: 56 }}
      navbar={{ width: 224, breakpoint: 'sm', collapsed: { mobile: !opened, desktop: !account } }}
      padding="lg"
    >
      <a href="#main" className="skip">
        {t('To the content')}
      </a>
      <AppShell.Header px="md">
        <Group h="100%" justify="space-between" wrap="nowrap" gap="sm">
          <Group gap="sm" wrap="nowrap" miw={0}>
            {account && <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label={t('Menu')} />}
            <UnstyledButton component={Link} to="/" aria-label={t('All accounts')} {...(account ? { visibleFrom: 'sm' } : {})}>
              <Mark />
            </UnstyledButton>
            <Switcher account={account} />
          </Group>
          <Group gap="xs" wrap="nowrap">
            <Tooltip label={`${t('Go to')} (Ctrl K)`}>
              <ActionIcon variant="subtle" color="gray" size="lg" onClick={showPalette} aria-label={t('Go to')} visibleFrom="xs">
                <IconCommand size={18} />
              </ActionIcon>
            </Tooltip>
            <ThemeToggle />
            <OwnMenu />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="sm" aria-label={t('Pages')} style={{ overflowY: 'auto' }}>
        {account && <Navigation account={account} onGo={close} />}
      </AppShell.Navbar>
      <AppShell.Main id="main" tabIndex={-1} style={{ outline: 'none' }}>
        <Box maw={1160} mx="auto">
          <Outlet />
        </Box>
      </AppShell.Main>
      <Palette account={account} />
      <Shortcuts />
    </AppShell>
  )
}

function OwnMenu() {
  const { data: user } = useQuery({ queryKey: ['own user'], queryFn: () => ownUser(true) })
  const leave = () => {
    if (!nothingUnsaved()) return
    signOut().catch(failed)
  }
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t('You')}>
          <IconUser size={18} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          <Text size="sm">{user?.email ?? ''}</Text>
        </Menu.Label>
        <Menu.Item leftSection={<IconCommand size={16} />} onClick={showPalette} hiddenFrom="xs">
          {t('Go to')}
        </Menu.Item>
        <Menu.Item component={Link} to="/" leftSection={<IconHome size={16} />}>
          {t('All accounts')}
        </Menu.Item>
        <Menu.Item component={Link} to="/profile" leftSection={<IconUser size={16} />}>
          {t('Your profile')}
        </Menu.Item>
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={leave}>
          {t('Sign out')}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
