import { Stack, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useDisclosure } from '@mantine/hooks'
import { useNavigate } from '@tanstack/react-router'
import { client } from '../api/client'
import { Act } from '../ui/allowed'
import { Dialog } from '../ui/dialog'
import { t } from '../words/words'
import { End } from './end'
import { useSave } from './use-save'

interface Props {
  aid: string
  customer_id: string
}

/** Gives a customer another number. */
export function CustomerNumber(props: Props) {
  const [asking, { open, close }] = useDisclosure(false)
  return (
    <>
      <Act account={props.aid} operation="changeCustomerId" variant="default" onClick={open}>
        {t('Change the customer ID')}
      </Act>
      <Dialog opened={asking} onClose={close} title={t('Change the customer ID')}>
        <NumberForm {...props} onClose={close} />
      </Dialog>
    </>
  )
}

function NumberForm({ aid, customer_id, onClose }: Props & { onClose: () => void }) {
  const navigate = useNavigate()
  const form = useForm({ initialValues: { customer_id } })
  const { submit, saving } = useSave(
    form,
    async (body) =>
      (await client.POST('/v1/accounts/{aid}/customers/users/{customer_id}/change_customer_id', { params: { path: { aid, customer_id } }, body })).data!,
    (customer) => {
      onClose()
      void navigate({ to: '/$account/customers/$id', params: { account: aid, id: customer.customer_id }, replace: true })
    },
  )
  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput
          label={t('Customer ID')}
          description={t('The old one is noted with the customer, and is never given to another.')}
          required
          data-autofocus
          {...form.getInputProps('customer_id')}
        />
        <End account={aid} operation="changeCustomerId" saving={saving} act={t('Change')} onCancel={onClose} />
      </Stack>
    </form>
  )
}
