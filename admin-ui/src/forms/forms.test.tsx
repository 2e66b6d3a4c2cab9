import { cleanup, screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { useState } from 'react'
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import type { Schema } from '../api/client'
import { queries } from '../api/queries'
import { refused, serve, show, startPage } from '../testing'
import { fromSettings, toSettings } from '../util/customer-settings'
import { blankAddress, fromCustomer, toChange } from '../util/customer'
import { linksOf, toLinks } from '../util/links'
import { EditAuthUser, NewAuthUser } from './auth-user'
import { CustomerForm } from './customer'
import { Fresh } from './fresh'
import { NewCustomer } from './new-customer'
import { inputOf } from './told'

const ADDRESS = 'https://id.example.com/v1/accounts/T11200001'
const ALL = new Set(['admin:accounts', 'admin:customers'])

vi.mock('../api/session', async (original) => {
  const token = `.${btoa(JSON.stringify({ iss: 'https://id.example.com/v1/accounts/T11200001', sub: 'user:1' }))}.`
  const enter = async () => ({ text: token, scopes: ALL, since: 0, until: Infinity })
  return { ...(await original<object>()), enter, whoAmI: enter }
})

beforeAll(startPage)
beforeEach(() => queries.clear())
afterEach(cleanup)

const customer = {
  id: '1',
  customer_id: 'c-1',
  type: 'customer',
  first_name: 'Ola',
  last_name: 'Nordmann',
  email: 'ola@example.com',
  metadata: { store: 7, since: 2020 },
} as unknown as Schema['Customer']

const button = (name: string) => screen.findByRole<HTMLButtonElement>('button', { name })

test('only what was changed is sent: what is emptied is cleared, a key that is gone from the metadata is taken away', async () => {
  const user = userEvent.setup()
  const sent = serve(() => ({ body: customer }))
  await show(<CustomerForm aid="T11200001" customer={customer} declared={[]} />)
  await user.clear(await screen.findByLabelText('Last name'))
  const metadata = screen.getByLabelText('Metadata')
  await user.clear(metadata)
  await user.click(metadata)
  await user.paste('{"store": 8}')
  await user.click(await button('Save'))
  await waitFor(() => expect(sent).toHaveLength(1))
  expect(sent[0]).toEqual({
    method: 'PUT',
    path: '/v1/accounts/T11200001/customers/users/c-1',
    body: { last_name: null, metadata: { store: 8, since: null } },
  })
})

test('of what is nested all is sent again, and what the form does not show stays', () => {
  const declared = [
    { name: 'size', type: 'real' },
    { name: 'member', type: 'boolean' },
    { name: 'likes', type: 'string', multiple_values: true },
    { name: 'unset', type: 'integer' },
  ] as Schema['CustomerAttribute'][]
  const rich = {
    ...customer,
    company: { bussiness_name: 'Wires', industry: 'cables', website: 'https://wires.example' },
    attributes: { size: 42.5, member: false, likes: ['a', 'b'], undeclared: 'x' },
    addresses: [{ address_line: 'Street 1', postal_place: 'Oslo', country: 'NO', latitude: 59.9 }],
    marketing_consent: { sms: { consent: true, updated_at: '2026-01-01T00:00:00Z' } },
  } as unknown as Schema['Customer']
  const same = fromCustomer(rich, declared)
  expect(toChange(same, rich)).toEqual({})
  const [size, member, likes, unset] = same.attributes
  const values = {
    ...same,
    company: { ...same.company, website: '' },
    attributes: [{ ...size!, value: '43' }, { ...member!, value: '' }, { ...likes!, value: ['b'] }, unset!],
    addresses: [{ ...same.addresses[0]!, postal_code: '0150' }, { ...blankAddress(), address_line: 'Street 2', postal_place: 'Bergen', country: 'NO' }],
    consent: { ...same.consent, email: true },
  }
  expect(JSON.parse(JSON.stringify(toChange(values, rich)))).toEqual({
    company: { bussiness_name: 'Wires', industry: 'cables' },
    attributes: { size: 43, likes: ['b'], undeclared: 'x' },
    addresses: [
      { address_line: 'Street 1', postal_code: '0150', postal_place: 'Oslo', country: 'NO', latitude: 59.9 },
      { address_line: 'Street 2', postal_place: 'Bergen', country: 'NO' },
    ],
    marketing_consent: { sms: { consent: true, updated_at: '2026-01-01T00:00:00Z' }, email: { consent: true } },
  })
})

test('what is no JSON object is not sent', async () => {
  const user = userEvent.setup()
  const sent = serve(() => ({ body: customer }))
  await show(<CustomerForm aid="T11200001" customer={customer} declared={[]} />)
  const metadata = await screen.findByLabelText('Metadata')
  await user.clear(metadata)
  await user.click(metadata)
  await user.paste('["store"]')
  await user.click(await button('Save'))
  await screen.findByText('This is no JSON object.')
  expect(sent).toEqual([])
})

test('what the server finds wrong stands beside the field, and nothing that was typed is lost', async () => {
  const user = userEvent.setup()
  const sent = serve(() => refused('company.bussiness_name', 'must not be blank'))
  await show(<NewCustomer account="T11200001" opened onClose={() => undefined} />)
  await user.click(await screen.findByRole('combobox', { name: 'Kind' }))
  await user.click(await screen.findByRole('option', { name: 'company' }))
  const company = await screen.findByLabelText(/Company/)
  await user.type(company, 'Wires')
  await user.click(await button('Create'))
  await screen.findByText('must not be blank')
  expect(company.getAttribute('aria-invalid')).toBe('true')
  expect((company as HTMLInputElement).value).toBe('Wires')
  expect(sent[0]?.body).toEqual({ type: 'company', company: { bussiness_name: 'Wires' } })
})

test('what is wrong is told at the input that it belongs to', () => {
  const values = { scope: ['a', 'b'], company: '', attributes: [{ name: '' }], oidc: { authority: '' }, limits: ['', ''] }
  for (const [field, input] of [
    ['scope[1]', 'scope'],
    ['company.bussiness_name', 'company'],
    ['attributes[0].name', 'attributes.0.name'],
    ['attributes[7]', 'attributes'],
    ['oidc.authority', 'oidc.authority'],
    ['limits.burst', 'limits'],
    ['elsewhere', undefined],
    ['constructor', undefined],
  ] as const) {
    expect(inputOf(values, field), field).toBe(input)
  }
})

test('what is wrong with nothing in the form is told all the same', async () => {
  const user = userEvent.setup()
  serve(() => refused('elsewhere', 'is wrong'))
  await show(<NewCustomer account="T11200001" opened onClose={() => undefined} />)
  await user.click(await button('Create'))
  await screen.findByText('The request is not valid. elsewhere is wrong.')
})

test('a form that is being saved is not saved twice', async () => {
  const user = userEvent.setup()
  let answer = () => undefined as void
  const answered = new Promise<void>((done) => (answer = done))
  let count = 0
  vi.stubGlobal('fetch', async (request: Request) => {
    if (request.method === 'POST') count += 1
    await answered
    return new Response(JSON.stringify(customer), { headers: { 'Content-Type': 'application/json' } })
  })
  await show(<NewCustomer account="T11200001" opened onClose={() => undefined} />)
  const name = await screen.findByLabelText('First name')
  await user.type(name, 'Eva')
  const create = await button('Create')
  await user.click(create)
  await user.click(create)
  await user.type(name, '{Enter}')
  expect(count).toBe(1)
  answer()
})

test('an auth user is made with links of the account as the world knows it', async () => {
  const user = userEvent.setup()
  const sent = serve(() => ({ body: { username: 'ola' } }))
  const made = vi.fn()
  await show(<NewAuthUser account="T11200001" onClose={() => undefined} onMade={made} />)
  await user.type(await screen.findByLabelText(/Username/), 'ola')
  await user.type(screen.getByLabelText(/^Password/), 'correct horse battery')
  await user.type(screen.getByRole('textbox', { name: 'E-mail' }), 'ola@example.com')
  await user.type(screen.getByLabelText('Customer ID'), 'c/1')
  await user.click(await button('Create'))
  await waitFor(() => expect(made).toHaveBeenCalledWith('ola'))
  expect(sent[0]?.body).toEqual({
    username: 'ola',
    password: 'correct horse battery',
    links: [
      { rel: 'email', href: 'mailto:ola@example.com' },
      { rel: 'customers_user', href: `${ADDRESS}/customers/users/c%2F1` },
    ],
  })
})

test('what is wrong with a link stands beside its input', async () => {
  const user = userEvent.setup()
  serve(() => refused('links[1].href', 'must be a phone number'))
  await show(<NewAuthUser account="T11200001" onClose={() => undefined} onMade={() => undefined} />)
  await user.type(await screen.findByLabelText(/Username/), 'ola')
  await user.type(screen.getByLabelText(/^Password/), 'correct horse battery')
  await user.type(screen.getByRole('textbox', { name: 'E-mail' }), 'ola@example.com')
  await user.type(screen.getByLabelText('Phone number'), 'nonsense')
  await user.click(await button('Create'))
  await screen.findByText('must be a phone number')
  expect(screen.getByLabelText('Phone number').getAttribute('aria-invalid')).toBe('true')
  expect(screen.getByRole('textbox', { name: 'E-mail' }).getAttribute('aria-invalid')).not.toBe('true')
})

test('a code that has nowhere to go is refused before it is sent; a second factor that is taken out is turned off', async () => {
  const user = userEvent.setup()
  const sent = serve(() => ({ body: {} }))
  const links = [{ rel: 'phone_number' as const, href: 'tel:+4799999999' }]
  const mfa = { challenge_type: 'oob' as const, oob_channels: ['sms' as const] }
  const ola = { id: '1', username: 'ola', links, mfa, totp: false, enabled: true } as unknown as Schema['AuthUser']
  await show(<EditAuthUser account="T11200001" user={ola} onSaved={() => undefined} />)
  await user.type(await screen.findByLabelText(/Another password/), 'correct horse battery')
  await user.clear(screen.getByLabelText('Phone number'))
  await user.click(await button('Save'))
  await screen.findByText('A code needs somewhere to go: an e-mail or a phone number.')
  expect(sent).toEqual([])
  await user.click(screen.getByLabelText('Text message'))
  await user.click(await button('Save'))
  await waitFor(() => expect(sent).toHaveLength(1))
  expect(sent[0]?.body).toEqual({ password: 'correct horse battery', links: [], mfa: null })
})

test('what somebody else has changed does not go over what one types; it is told, and can be had', async () => {
  const user = userEvent.setup()
  serve(() => ({ body: customer }))
  function Page() {
    const [data, change] = useState({ ...customer, updated_at: '1' })
    return (
      <>
        <button onClick={() => change({ ...data, first_name: 'Theirs', updated_at: data.updated_at + '1' })}>change</button>
        <Fresh data={data} version={data.updated_at}>
          {(customer) => <CustomerForm aid="T11200001" customer={customer} declared={[]} />}
        </Fresh>
      </>
    )
  }
  await show(<Page />)
  const first = async () => (await screen.findByLabelText<HTMLInputElement>('First name')).value
  await user.click(await button('change'))
  expect(await first()).toBe('Theirs')
  await user.type(screen.getByLabelText('Last name'), 'x')
  await user.type(screen.getByLabelText('First name'), ' or mine')
  await user.click(await button('change'))
  expect(await first()).toBe('Theirs or mine')
  await user.click(await button('Drop mine, show theirs'))
  expect(await first()).toBe('Theirs')
  expect(screen.queryByText(/Somebody has changed this/)).toBeNull()
})

test('links and settings come back as they went', () => {
  const links = { email: 'a@b.no', phone_number: '+4799999999', customer_id: 'c/1 å' }
  expect(linksOf({ links: toLinks(links, ADDRESS) } as Schema['AuthUser'])).toEqual(links)
  const settings = {
    users: {
      customer_id_format: 'sequence',
      head: { enabled: true },
      phone_number_validation: { allow_duplicates: false },
      verifications: { phone_number: 'sms' },
      mfa: {
        enabled: true,
        login: { challenge_type: 'oob', oob_channel: 'email' },
        login_recovery: { challenge_type: 'oob', oob_channel: 'sms' },
      },
    },
    attributes: [{ name: 'size', type: 'real', multiple_values: false, private: true }],
    auto_tokens: { email: [{ type: 'SHA256' }, { type: 'HMAC-SHA256' }], phone_number: [] },
    tokens: { event_expiry: [{ status: 'LOST', time_to_live: 60 }] },
  } as const
  expect(toSettings(fromSettings(settings as unknown as Schema['CustomersSettings']))).toEqual(settings)
})
