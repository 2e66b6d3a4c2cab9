/** The pages of an account, in the order in which they are shown. */
import {
  IconAddressBook,
  IconAdjustments,
  IconBuilding,
  IconFileText,
  IconFingerprint,
  IconHistory,
  IconKey,
  IconLayoutDashboard,
  IconLink,
  IconMail,
  IconPlugConnected,
  IconSettings,
  IconShield,
  IconTags,
  IconTool,
  IconUsers,
} from '@tabler/icons-react'
import type { Operation } from '../util/scopes'
import { isPartner } from '../util/accounts'

export interface Place {
  to: `/$account${string}`
  /** English; shown in the reader's language. */
  title: string
  icon: typeof IconKey
  /** What the page reads first. */
  operation: Operation
  partnersOnly?: boolean
  /** What those from here on are about. */
  group?: string
}

const PLACES = [
  { to: '/$account', title: 'Overview', icon: IconLayoutDashboard, operation: 'getUsage' },
  { to: '/$account/accounts', title: 'Accounts', icon: IconBuilding, operation: 'listAccounts', partnersOnly: true },
  { group: 'Access', to: '/$account/clients', title: 'Clients', icon: IconPlugConnected, operation: 'listClients' },
  { to: '/$account/grants', title: 'Grants', icon: IconLink, operation: 'listClientGrants' },
  { to: '/$account/roles', title: 'Roles', icon: IconShield, operation: 'listRoles' },
  { to: '/$account/users', title: 'Users', icon: IconUsers, operation: 'listMembers' },
  { to: '/$account/keys', title: 'Keys', icon: IconKey, operation: 'listKeyStates' },
  { group: 'People', to: '/$account/customers', title: 'Customers', icon: IconAddressBook, operation: 'listCustomers' },
  { to: '/$account/auth-users', title: 'Auth users', icon: IconFingerprint, operation: 'listUsers' },
  { to: '/$account/installers', title: 'Installers', icon: IconTool, operation: 'listInstallers' },
  { to: '/$account/tags', title: 'Tags', icon: IconTags, operation: 'listTags' },
  { to: '/$account/terms', title: 'Terms', icon: IconFileText, operation: 'listTerms' },
  { to: '/$account/customer-settings', title: 'Customer settings', icon: IconAdjustments, operation: 'getCustomersSettings' },
  { group: 'This account', to: '/$account/audit', title: 'Audit log', icon: IconHistory, operation: 'listEvents' },
  { to: '/$account/messages', title: 'Messages', icon: IconMail, operation: 'listMessages' },
  { to: '/$account/settings', title: 'Settings', icon: IconSettings, operation: 'getSettings' },
] as const satisfies readonly Place[]

export function placesOf(account: string): readonly ((typeof PLACES)[number] & { group?: string })[] {
  return PLACES.filter((place) => !('partnersOnly' in place) || isPartner(account))
}
