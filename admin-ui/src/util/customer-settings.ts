/** Settings of customers, as the API has them and as a form has them. */
import type { Schema } from '../api/client'

type Settings = Schema['CustomersSettings']
type Attribute = Required<Schema['CustomerAttribute']>
type Channel = Schema['OobChannel']
export const HASHED = ['email', 'phone_number'] as const
export type Hashed = (typeof HASHED)[number]

/** Which hashes of a field are kept as tokens. */
export interface Hashes {
  sha256: boolean
  hmac: boolean
  /** Another key for the HMAC; empty: the one there is stays. */
  secret: string
}

export interface CustomerSettings {
  customer_id_format: Schema['CustomerIdFormat']
  head: boolean
  allow_duplicates: boolean
  proven: boolean
  mfa: boolean
  login: Channel
  login_recovery: Channel
  attributes: Attribute[]
  auto_tokens: Record<Hashed, Hashes>
  event_expiry: { status: string; time_to_live: number | string }[]
}

export function fromSettings({ users, attributes, auto_tokens, tokens }: Settings): CustomerSettings {
  const hashes = (field: Hashed) => {
    const kinds = (auto_tokens?.[field] ?? []).map((one) => one.type)
    return { sha256: kinds.includes('SHA256'), hmac: kinds.includes('HMAC-SHA256'), secret: '' }
  }
  return {
    customer_id_format: users?.customer_id_format ?? 'uuid',
    head: users?.head?.enabled ?? false,
    allow_duplicates: users?.phone_number_validation?.allow_duplicates ?? false,
    proven: users?.verifications?.phone_number === 'sms',
    mfa: users?.mfa?.enabled ?? false,
    login: users?.mfa?.login.oob_channel ?? 'sms',
    login_recovery: users?.mfa?.login_recovery.oob_channel ?? 'email',
    attributes: (attributes ?? []).map((one) => ({ ...one, multiple_values: one.multiple_values ?? false, private: one.private ?? false })),
    auto_tokens: { email: hashes('email'), phone_number: hashes('phone_number') },
    event_expiry: tokens?.event_expiry ?? [],
  }
}

export function toSettings(form: CustomerSettings): Settings {
  const way = (oob_channel: Channel) => ({ challenge_type: 'oob' as const, oob_channel })
  const hashes = ({ sha256, hmac, secret }: Hashes) => [
    ...(sha256 ? [{ type: 'SHA256' as const }] : []),
    // A key that is left out stays the one there is.
    ...(hmac ? [{ type: 'HMAC-SHA256' as const, ...(secret ? { secret } : {}) } as Schema['AutoTokenHmac']] : []),
  ]
  return {
    users: {
      customer_id_format: form.customer_id_format,
      head: { enabled: form.head },
      phone_number_validation: { allow_duplicates: form.allow_duplicates },
      verifications: form.proven ? { phone_number: 'sms' } : {},
      mfa: { enabled: form.mfa, login: way(form.login), login_recovery: way(form.login_recovery) },
    },
    attributes: form.attributes,
    auto_tokens: { email: hashes(form.auto_tokens.email), phone_number: hashes(form.auto_tokens.phone_number) },
    tokens: { event_expiry: form.event_expiry.map(({ status, time_to_live }) => ({ status, time_to_live: Number(time_to_live) })) },
  }
}
