import { NavLink, Text } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { Fragment } from 'react'
import { t } from '../words/words'
import { placesOf } from './places'

/** Where one can go in an account. */
export function Navigation({ account, onGo }: { account: string; onGo: () => void }) {
  return placesOf(account).map(({ to, title, group, icon: Icon }) => (
    <Fragment key={to}>
      {group && (
        <Text size="xs" c="dimmed" px="sm" pt="sm" pb={4}>
          {t(group)}
        </Text>
      )}
      <Link to={to} params={{ account }} activeOptions={{ exact: to === '/$account' }} onClick={onGo} className="nav-link">
        {({ isActive }) => <NavLink component="span" py={6} label={t(title)} leftSection={<Icon size={18} />} active={isActive} />}
      </Link>
    </Fragment>
  ))
}
