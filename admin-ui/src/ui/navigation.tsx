import { NavLink } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { t } from '../words/words'
import { placesOf } from './places'

/** Where one can go in an account. */
export function Navigation({ account, onGo }: { account: string; onGo: () => void }) {
  return placesOf(account).map(({ to, title, icon: Icon }) => (
    <Link key={to} to={to} params={{ account }} activeOptions={{ exact: to === '/$account' }} onClick={onGo} className="nav-link">
      {({ isActive }) => <NavLink component="span" label={t(title)} leftSection={<Icon size={18} />} active={isActive} />}
    </Link>
  ))
}
