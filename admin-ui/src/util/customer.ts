/** A customer, as the API has it and as a form has it. */
import type { Schema } from '../api/client'

type Customer = Schema['Customer']
type Attribute = Schema['CustomerAttribute']

export const TEXTS = ['first_name', 'last_name', 'email', 'phone_number', 'date_of_birth', 'gender', 'status', 'favorite_store'] as const
const COMPANY = ['bussiness_name', 'organization_number', 'website'] as const
const ADDRESS = ['address_line', 'postal_code', 'postal_place', 'country'] as const
const CHANNELS = ['email', 'sms'] as const

type Address = Record<(typeof ADDRESS)[number], string> & { whole?: Schema['CustomerAddress'] }

/** The value of a declared attribute; nothing: empty, or an empty list. */
export interface AttributeValue {
  declared: Attribute
  value: string | string[]
}

export type CustomerValues = Record<(typeof TEXTS)[number], string> & {
  company: Record<(typeof COMPANY)[number], string>
  consent: Record<(typeof CHANNELS)[number], boolean>
  addresses: Address[]
  attributes: AttributeValue[]
  metadata: string
}

const texts = <Name extends string>(names: readonly Name[], of: object | null | undefined) =>
  Object.fromEntries(names.map((name) => [name, String((of as Record<string, unknown> | null | undefined)?.[name] ?? '')])) as Record<Name, string>

export const blankAddress = (): Address => texts(ADDRESS, undefined)

export function fromCustomer(customer: Customer, declared: Attribute[]): CustomerValues {
  const values = (customer.attributes ?? {}) as Record<string, unknown>
  return {
    ...texts(TEXTS, customer),
    company: texts(COMPANY, customer.company),
    consent: { email: customer.marketing_consent?.email?.consent ?? false, sms: customer.marketing_consent?.sms?.consent ?? false },
    addresses: (customer.addresses ?? []).map((whole) => ({ ...texts(ADDRESS, whole), whole })),
    attributes: declared.map((one) => {
      const value = values[one.name]
      return { declared: one, value: one.multiple_values ? (Array.isArray(value) ? value.map(String) : []) : value === undefined || value === null ? '' : String(value) }
    }),
    metadata: customer.metadata ? JSON.stringify(customer.metadata, null, 2) : '',
  }
}

/** What has to be sent: only what differs; what is left out stays, null clears, and of what is nested all is replaced. */
export function toChange(values: CustomerValues, customer: Customer): Schema['CustomerUpdate'] {
  const before = fromCustomer(customer, values.attributes.map(({ declared }) => declared))
  const differs = (name: keyof CustomerValues) => JSON.stringify(values[name]) !== JSON.stringify(before[name])
  const change: Record<string, unknown> = {}
  for (const name of TEXTS) if (differs(name)) change[name] = values[name] || null
  if (differs('company')) change.company = { ...customer.company, ...given(values.company) }
  if (differs('addresses')) change.addresses = values.addresses.map(({ whole, ...address }) => ({ ...whole, ...given(address) }))
  if (differs('consent')) {
    const said = CHANNELS.filter((channel) => values.consent[channel] !== before.consent[channel]).map((channel) => [channel, { consent: values.consent[channel] }])
    change.marketing_consent = { ...customer.marketing_consent, ...Object.fromEntries(said) }
  }
  if (differs('attributes')) {
    const set = values.attributes.map(({ declared, value }) => [declared.name, typed(declared, value)] as const)
    const all = { ...(customer.attributes as object | undefined), ...Object.fromEntries(set) }
    change.attributes = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
  }
  if (differs('metadata')) change.metadata = replaced(customer.metadata, values.metadata === '' ? null : (parsed(values.metadata) ?? null))
  return change
}

/** Texts that say something; those that were emptied are left out. */
function given(texts: Record<string, string>) {
  return Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, text === '' ? undefined : text]))
}

function typed({ type }: Attribute, value: string | string[]): unknown {
  const one = (text: string) => (type === 'integer' || type === 'real' ? Number(text) : type === 'boolean' ? text === 'true' : text)
  if (Array.isArray(value)) return value.length > 0 ? value.map(one) : undefined
  return value === '' ? undefined : one(value)
}

type Metadata = Record<string, unknown>

/** A JSON object; nothing for any other text. */
export function parsed(text: string): Metadata | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return value && typeof value === 'object' && !Array.isArray(value) ? (value as Metadata) : undefined
  } catch {
    return undefined
  }
}

/** A change that leaves exactly these pairs: null for a key takes it away. */
function replaced(before: Metadata | null | undefined, after: Metadata | null): Metadata | null {
  return after && { ...Object.fromEntries(Object.keys(before ?? {}).map((key) => [key, null])), ...after }
}
