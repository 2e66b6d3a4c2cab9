/** All pages, by their address; each is loaded when it is first opened. */
import { Outlet, createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router'
import { SignedOut, whoAmI } from './api/session'
import { Trouble } from './ui/trouble'

const root = createRootRoute({ component: Outlet, errorComponent: ({ error }) => <Trouble error={error} /> })

/** What a sign-in goes back to: a place in the console, nothing else. */
export function within(back: unknown): string | undefined {
  return typeof back === 'string' && /^\/(?![/\\])/.test(back) ? back : undefined
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

/** Words to look for, where a list can be searched. */
function searched(search: Record<string, unknown>): { search?: string } {
  return typeof search.search === 'string' && search.search ? { search: search.search } : {}
}

const overview = createRoute({
  getParentRoute: () => account,
  path: '/',
  component: lazyRouteComponent(() => import('./pages/overview'), 'OverviewPage'),
})
const accounts = createRoute({
  getParentRoute: () => account,
  path: '/accounts',
  validateSearch: searched,
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
  validateSearch: searched,
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
  validateSearch: searched,
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
  validateSearch: searched,
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

export interface AuditSearch {
  type?: string
  subject?: string
  since?: string
  until?: string
}

const audit = createRoute({
  getParentRoute: () => account,
  path: '/audit',
  validateSearch: (search): AuditSearch =>
    Object.fromEntries(
      (['type', 'subject', 'since', 'until'] as const).flatMap((name) => {
        const value = search[name]
        return typeof value === 'string' && value ? [[name, value]] : []
      }),
    ),
  component: lazyRouteComponent(() => import('./pages/audit'), 'AuditPage'),
})
const settings = createRoute({
  getParentRoute: () => account,
  path: '/settings',
  component: lazyRouteComponent(() => import('./pages/settings'), 'SettingsPage'),
})

const pages = [overview, accounts, below, clients, clientPage, grants, roles, rolePage, members, memberPage, keys, audit, settings]

export const router = createRouter({
  routeTree: root.addChildren([signIn, inside.addChildren([home, profile, account.addChildren(pages)])]),
  basepath: '/console',
  defaultPreload: 'intent',
  defaultErrorComponent: ({ error, reset }) => <Trouble error={error} again={reset} />,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
