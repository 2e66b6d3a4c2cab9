import { Stack, TagsInput, TextInput, Textarea } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useState } from 'react'
import { client, type Schema } from '../api/client'
import { SecretOnce } from '../ui/secret-once'
import { Dialog } from '../ui/dialog'
import { t } from '../words/words'
import { End } from './end'
import { useSave } from './use-save'

interface Props {
  account: string
  opened: boolean
  onClose: () => void
}

/** A new client; then its secret, once. */
export function NewClient({ account, opened, onClose }: Props) {
  const [made, setMade] = useState<Schema['ClientWithSecret']>()
  const close = () => {
    setMade(undefined)
    onClose()
  }
  return (
    <Dialog
      opened={opened}
      onClose={close}
      title={made ? t('The secret of {{client}}', { client: made.client_id }) : t('New client')}
      // A secret that is shown once does not go away by a stray click.
      closeOnClickOutside={!made}
      closeOnEscape={!made}
      withCloseButton={!made}
    >
      {made ? <SecretOnce made={made} onDone={close} /> : <NewClientForm account={account} onMade={setMade} onClose={close} />}
    </Dialog>
  )
}

interface FormProps {
  account: string
  onMade: (made: Schema['ClientWithSecret']) => void
  onClose: () => void
}

function NewClientForm({ account: oid, onMade, onClose }: FormProps) {
  const form = useForm({ initialValues: { name: '', client_id: '', description: '', callbacks: [] as string[] } })
  const { submit, saving } = useSave(
    form,
    async ({ name, client_id, description, callbacks }) => {
      const body = { callbacks, ...(name && { name }), ...(client_id && { client_id }), ...(description && { description }) }
      return (await client.POST('/v1/accounts/{oid}/auth/clients', { params: { path: { oid } }, body })).data!
    },
    onMade,
  )
  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput label={t('Name')} data-autofocus {...form.getInputProps('name')} />
        <TextInput label={t('Client ID')} description={t('Made by the server if left out; never given to another.')} {...form.getInputProps('client_id')} />
        <Textarea label={t('What it is for')} autosize minRows={2} {...form.getInputProps('description')} />
        <TagsInput label={t('Callbacks')} description={t('Addresses that people may be sent back to. Enter adds one.')} {...form.getInputProps('callbacks')} />
        <End account={oid} operation="createClient" saving={saving} act={t('Create')} onCancel={onClose} />
      </Stack>
    </form>
  )
}
