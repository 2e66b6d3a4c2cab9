/** What belongs to an auth user, as a form has it. */
import type { Schema } from '../api/client'

export interface Links {
  email: string
  phone_number: string
  customer_id: string
}

/** What somebody has; `address` is the account's. */
export function linksOf(user: Schema['AuthUser'] | undefined): Links {
  const of = (rel: Schema['AuthUserLinkRel']) => user?.links?.find((link) => link.rel === rel)?.href ?? ''
  return {
    email: of('email').replace(/^mailto:/, ''),
    phone_number: of('phone_number').replace(/^tel:/, ''),
    customer_id: decodeURIComponent(of('customers_user').split('/').at(-1) ?? ''),
  }
}

/** The links that a form stands for. */
export function toLinks({ email, phone_number, customer_id }: Links, address: string): Schema['AuthUserLink'][] {
  return [
    ...(email ? [{ rel: 'email' as const, href: `mailto:${email}` }] : []),
    ...(phone_number ? [{ rel: 'phone_number' as const, href: `tel:${phone_number}` }] : []),
    ...(customer_id ? [{ rel: 'customers_user' as const, href: `${address}/customers/users/${encodeURIComponent(customer_id)}` }] : []),
  ]
}
