import { Card, Fieldset, Select, Stack, Switch } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useParams } from '@tanstack/react-router'
import { api, client, type Schema } from '../api/client'
import { AutoTokens } from '../forms/auto-tokens'
import { End } from '../forms/end'
import { Entries } from '../forms/entries'
import { Fresh } from '../forms/fresh'
import { useSave } from '../forms/use-save'
import { tell } from '../ui/confirm'
import { Page } from '../ui/page'
import { NotYet } from '../ui/not-yet'
import { fromSettings, toSettings } from '../util/customer-settings'
import { t } from '../words/words'

const TYPES: Schema['AttributeType'][] = ['string', 'integer', 'real', 'boolean', 'phonenumber', 'email', 'date', 'date-time']

/** What holds for the account's customers. */
export function CustomerSettingsPage() {
  const { account: aid } = useParams({ from: '/inside/$account' })
  const settings = api.useQuery('get', '/v1/accounts/{aid}/customers/settings', { params: { path: { aid } } })
  if (!settings.data) return <NotYet query={settings} />
  return (
    <Page title={t('Customer settings')} about={t('What is known of customers, how they log in, and what is proven.')}>
      <Fresh data={settings.data} version={JSON.stringify(settings.data)}>
        {(data) => <SettingsForm aid={aid} settings={data} />}
      </Fresh>
    </Page>
  )
}

function SettingsForm({ aid, settings }: { aid: string; settings: Schema['CustomersSettings'] }) {
  const form = useForm({ initialValues: fromSettings(settings) })
  const { submit, saving } = useSave(
    form,
    (values) => client.PUT('/v1/accounts/{aid}/customers/settings', { params: { path: { aid } }, body: toSettings(values) }),
    () => tell(t('Saved.')),
  )
  const channels = [
    { value: 'sms', label: t('Text message') },
    { value: 'email', label: t('E-mail') },
  ]
  return (
    <form onSubmit={submit}>
      <Card withBorder>
        <Stack>
          <Fieldset legend={t('Customers')}>
            <Stack>
              <Select
                label={t('A customer ID that nobody chose')}
                allowDeselect={false}
                maw={320}
                data={[
                  { value: 'uuid', label: t('A random one (UUID)') },
                  { value: 'sequence', label: t('The next number') },
                ]}
                {...form.getInputProps('customer_id_format')}
              />
              <Switch
                label={t('Whether a customer exists may be asked')}
                description={t('By address or number; the answer is yes or no.')}
                {...form.getInputProps('head', { type: 'checkbox' })}
              />
              <Switch
                label={t('Several customers may have one phone number')}
                description={t('None of them can log in by a text message then.')}
                {...form.getInputProps('allow_duplicates', { type: 'checkbox' })}
              />
              <Switch
                label={t('A changed phone number has to be proven')}
                description={t('It counts once a code that was sent there has come back.')}
                {...form.getInputProps('proven', { type: 'checkbox' })}
              />
            </Stack>
          </Fieldset>
          <Fieldset legend={t('Second factor')}>
            <Stack>
              <Switch label={t('Customers need a second factor')} {...form.getInputProps('mfa', { type: 'checkbox' })} />
              <Select label={t('Where the code goes')} allowDeselect={false} maw={320} data={channels} {...form.getInputProps('login')} />
              <Select
                label={t('Where the code goes when the password is lost')}
                description={t('Another way than the code of a login.')}
                allowDeselect={false}
                maw={320}
                data={channels}
                {...form.getInputProps('login_recovery')}
              />
            </Stack>
          </Fieldset>
          <Entries
            form={form}
            name="attributes"
            legend={t('Attributes')}
            about={t('What may be known of a customer beside what every customer has.')}
            blank={{ name: '', type: 'string' as const, multiple_values: false, private: false }}
            add={t('Add an attribute')}
            columns={[
              { field: 'name', label: t('Name'), kind: 'text' },
              { field: 'type', label: t('Type'), kind: TYPES },
              { field: 'multiple_values', label: t('Several values'), kind: 'switch' },
              { field: 'private', label: t('Hidden from the customer'), kind: 'switch' },
            ]}
          />
          <Fieldset legend={t('Tokens made by themselves')}>
            <AutoTokens form={form} />
          </Fieldset>
          <Entries
            form={form}
            name="event_expiry"
            legend={t('How long events of tokens count')}
            about={t('By status; others count for ever.')}
            blank={{ status: '', time_to_live: 86_400 as number | string }}
            add={t('Add a status')}
            columns={[
              { field: 'status', label: t('Status'), kind: 'text' },
              { field: 'time_to_live', label: t('Seconds'), kind: 'number' },
            ]}
          />
          <End account={aid} operation="updateCustomersSettings" saving={saving} />
        </Stack>
      </Card>
    </form>
  )
}
