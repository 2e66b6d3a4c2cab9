import { Spotlight, spotlight } from '@mantine/spotlight'
import { IconHome, IconSearch, IconUser } from '@tabler/icons-react'
import { useNavigate } from '@tanstack/react-router'
import { t } from '../words/words'
import { placesOf } from './places'

export const showPalette = () => spotlight.open()

/** Every page by its name, from the keyboard. */
export function Palette({ account }: { account: string | undefined }) {
  const navigate = useNavigate()
  const pages = account
    ? placesOf(account).map(({ to, title, icon: Icon }) => ({
        id: to,
        label: t(title),
        description: account,
        leftSection: <Icon size={18} />,
        onClick: () => void navigate({ to, params: { account } }),
      }))
    : []
  return (
    <Spotlight
      shortcut={['mod + K', '/']}
      attributes={{ content: { 'aria-label': t('Go to') } }}
      scrollable
      scrollAreaProps={{ viewportProps: { tabIndex: 0, role: 'group', 'aria-label': t('Pages') } }}
      nothingFound={t('No page has this name.')}
      searchProps={{ leftSection: <IconSearch size={18} />, placeholder: t('Go to'), 'aria-label': t('Go to') }}
      actions={[
        ...pages,
        { id: 'home', label: t('All accounts'), leftSection: <IconHome size={18} />, onClick: () => void navigate({ to: '/' }) },
        { id: 'me', label: t('Your profile'), leftSection: <IconUser size={18} />, onClick: () => void navigate({ to: '/profile' }) },
      ]}
    />
  )
}
