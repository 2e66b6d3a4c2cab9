import { Stack, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useNavigate } from '@tanstack/react-router'
import { client } from '../api/client'
import { Dialog } from '../ui/dialog'
import { t } from '../words/words'
import { End } from './end'
import { useSave } from './use-save'

interface Props {
  account: string
  opened: boolean
  onClose: () => void
}

export function NewAccount(props: Props) {
  return (
    <Dialog opened={props.opened} onClose={props.onClose} title={t('New account')}>
      <NewAccountForm {...props} />
    </Dialog>
  )
}

function NewAccountForm({ account: oid, onClose }: Props) {
  const navigate = useNavigate()
  const form = useForm({ initialValues: { display_name: '', account_id: '' } })
  const { submit, saving } = useSave(
    form,
    async ({ display_name, account_id }) => {
      const body = { display_name, ...(account_id ? { account_id } : {}) }
      return (await client.POST('/v1/accounts/{oid}/management/accounts', { params: { path: { oid } }, body })).data!
    },
    (made) => {
      onClose()
      void navigate({ to: '/$account/accounts/$below', params: { account: oid, below: made.account_id } })
    },
  )
  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput label={t('Name')} required data-autofocus {...form.getInputProps('display_name')} />
        <TextInput label={t('Number')} description={t('The next free one if left out.')} {...form.getInputProps('account_id')} />
        <End account={oid} operation="createAccount" saving={saving} act={t('Create')} onCancel={onClose} />
      </Stack>
    </form>
  )
}
