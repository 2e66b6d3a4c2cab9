/** All pages, by their address; each is loaded when it is first opened. */
import { Outlet, createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router'
import { SignedOut, whoAmI } from './api/session'
import { Trouble } from './ui/trouble'

const root = createRootRoute({ component: Outlet, errorComponent: ({ error }) => <Trouble error={error} /> })

/** What a sign-in goes back to: a place in the console, nothing else. */
export function within(back: unknown): string | undefined {
  return typeof back === 'string' && /^\/(?![/\\])/.test(back) ? back : undefined
}

/** These of an address's words, where they say something. */
function words<Name extends string>(search: Record<string, unknown>, ...names: Name[]): { [name in Name]?: string } {
  const given = names.flatMap((name) => (typeof search[name] === 'string' && search[name] ? [[name, search[name]]] : []))
  return Object.fromEntries(given)
}

const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: (search): { back?: string } => {
    const back = within(search.back)
    return back ? { back } : {}
  },
  component: lazyRouteComponent(() => import('./pages/sign-in'), 'SignInPage'),
})

/** Everything else is for whoever is signed in. */
const inside = createRoute({
  getParentRoute: () => root,
  id: 'inside',
  beforeLoad: async ({ location }) => {
    try {
      await whoAmI()
    } catch (error) {
      if (error instanceof SignedOut) throw redirect({ to: '/sign-in', search: { back: location.href } })
      throw error
    }
  },
  component: lazyRouteComponent(() => import('./ui/shell'), 'Shell'),
})

const home = createRoute({
  getParentRoute: () => inside,
  path: '/',
  component: lazyRouteComponent(() => import('./pages/home'), 'HomePage'),
})

const profile = createRoute({
  getParentRoute: () => inside,
  path: '/profile',
  component: lazyRouteComponent(() => import('./pages/profile'), 'ProfilePage'),
})

const account = createRoute({
  getParentRoute: () => inside,
  path: '/$account',
  component: lazyRouteComponent(() => import('./ui/account'), 'AccountFrame'),
})

const overview = createRoute({
  getParentRoute: () => account,
  path: '/',
  component: lazyRouteComponent(() => import('./pages/overview'), 'OverviewPage'),
})
const accounts = createRoute({
  getParentRoute: () => account,
  path: '/accounts',
  validateSearch: (search) => words(search, 'search'),
  component: lazyRouteComponent(() => import('./pages/accounts'), 'AccountsPage'),
})
const below = createRoute({
  getParentRoute: () => account,
  path: '/accounts/$below',
  component: lazyRouteComponent(() => import('./pages/account'), 'BelowPage'),
})
const clients = createRoute({
  getParentRoute: () => account,
  path: '/clients',
  validateSearch: (search) => words(search, 'search'),
  component: lazyRouteComponent(() => import('./pages/clients'), 'ClientsPage'),
})
const clientPage = createRoute({
  getParentRoute: () => account,
  path: '/clients/$id',
  component: lazyRouteComponent(() => import('./pages/client'), 'ClientPage'),
})
const grants = createRoute({
  getParentRoute: () => account,
  path: '/grants',
  component: lazyRouteComponent(() => import('./pages/grants'), 'GrantsPage'),
})
const roles = createRoute({
  getParentRoute: () => account,
  path: '/roles',
  validateSearch: (search) => words(search, 'search'),
  component: lazyRouteComponent(() => import('./pages/roles'), 'RolesPage'),
})
const rolePage = createRoute({
  getParentRoute: () => account,
  path: '/roles/$id',
  component: lazyRouteComponent(() => import('./pages/role'), 'RolePage'),
})
const members = createRoute({
  getParentRoute: () => account,
  path: '/users',
  validateSearch: (search) => words(search, 'search'),
  component: lazyRouteComponent(() => import('./pages/members'), 'MembersPage'),
})
const memberPage = createRoute({
  getParentRoute: () => account,
  path: '/users/$id',
  component: lazyRouteComponent(() => import('./pages/member'), 'MemberPage'),
})
const keys = createRoute({
  getParentRoute: () => account,
  path: '/keys',
  component: lazyRouteComponent(() => import('./pages/keys'), 'KeysPage'),
})

export type AuditSearch = { [name in 'type' | 'subject' | 'since' | 'until']?: string }

const audit = createRoute({
  getParentRoute: () => account,
  path: '/audit',
  validateSearch: (search): AuditSearch => words(search, 'type', 'subject', 'since', 'until'),
  component: lazyRouteComponent(() => import('./pages/audit'), 'AuditPage'),
})

const CUSTOMER_SEARCH = ['search', 'type', 'tag', 'email', 'phone', 'token_type', 'token_value', 'attribute', 'value', 'deleted'] as const
export type CustomerSearch = { [name in (typeof CUSTOMER_SEARCH)[number]]?: string }

const customers = createRoute({
  getParentRoute: () => account,
  path: '/customers',
  validateSearch: (search): CustomerSearch => words(search, ...CUSTOMER_SEARCH),
  component: lazyRouteComponent(() => import('./pages/customers'), 'CustomersPage'),
})
const customerPage = createRoute({
  getParentRoute: () => account,
  path: '/customers/$id',
  component: lazyRouteComponent(() => import('./pages/customer'), 'CustomerPage'),
})
const authUsers = createRoute({
  getParentRoute: () => account,
  path: '/auth-users',
  validateSearch: (search) => words(search, 'search'),
  component: lazyRouteComponent(() => import('./pages/auth-users'), 'AuthUsersPage'),
})
const authUserPage = createRoute({
  getParentRoute: () => account,
  path: '/auth-users/$name',
  component: lazyRouteComponent(() => import('./pages/auth-user'), 'AuthUserPage'),
})
const terms = createRoute({
  getParentRoute: () => account,
  path: '/terms',
  component: lazyRouteComponent(() => import('./pages/terms'), 'TermsPage'),
})
const customerSettings = createRoute({
  getParentRoute: () => account,
  path: '/customer-settings',
  component: lazyRouteComponent(() => import('./pages/customer-settings'), 'CustomerSettingsPage'),
})
const messages = createRoute({
  getParentRoute: () => account,
  path: '/messages',
  validateSearch: ({ state }): { state?: 'waiting' | 'failed' } => (state === 'waiting' || state === 'failed' ? { state } : {}),
  component: lazyRouteComponent(() => import('./pages/messages'), 'MessagesPage'),
})
const tags = createRoute({
  getParentRoute: () => account,
  path: '/tags',
  component: lazyRouteComponent(() => import('./pages/tags'), 'TagsPage'),
})
const installers = createRoute({
  getParentRoute: () => account,
  path: '/installers',
  validateSearch: (search) => words(search, 'search', 'state'),
  component: lazyRouteComponent(() => import('./pages/installers'), 'InstallersPage'),
})
const installerPage = createRoute({
  getParentRoute: () => account,
  path: '/installers/$id',
  component: lazyRouteComponent(() => import('./pages/installer'), 'InstallerPage'),
})
const settings = createRoute({
  getParentRoute: () => account,
  path: '/settings',
  component: lazyRouteComponent(() => import('./pages/settings'), 'SettingsPage'),
})

const pages = [
  overview,
  ...[accounts, below],
  ...[clients, clientPage, grants],
  ...[roles, rolePage, members, memberPage],
  ...[authUsers, authUserPage],
  ...[customers, customerPage, tags, terms, customerSettings],
  ...[installers, installerPage],
  ...[messages],
  ...[keys, audit, settings],
]

export const router = createRouter({
  routeTree: root.addChildren([signIn, inside.addChildren([home, profile, account.addChildren(pages)])]),
  basepath: '/console',
  defaultPreload: 'intent',
  // Another record is another page: nothing that was typed of one goes along to the other.
  defaultRemountDeps: ({ params }) => params,
  defaultErrorComponent: ({ error, reset }) => <Trouble error={error} again={reset} />,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
