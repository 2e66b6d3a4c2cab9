import { Stack, Text, Textarea } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useDisclosure } from '@mantine/hooks'
import { IconPlus } from '@tabler/icons-react'
import { useState } from 'react'
import { api, client, type Schema } from '../api/client'
import { End } from '../forms/end'
import { useSave } from '../forms/use-save'
import { useAccount } from '../ui/account'
import { Act } from '../ui/allowed'
import { confirm } from '../ui/confirm'
import { Copy } from '../ui/copy'
import { List } from '../ui/list'
import { Page } from '../ui/page'
import { PAGE, paged } from '../ui/pages'
import { Time } from '../ui/time'
import { Dialog } from '../ui/dialog'
import { t } from '../words/words'

/** Texts that customers agree to. */
export function TermsPage() {
  const aid = useAccount()
  const [making, { open, close }] = useDisclosure(false)
  const [read, setRead] = useState<Schema['Terms']>()
  const terms = api.useInfiniteQuery('get', '/v1/accounts/{aid}/customers/terms', { params: { path: { aid }, query: { limit: PAGE } } }, paged())
  const erase = (one: Schema['Terms']) =>
    confirm({
      title: t('Delete these terms?'),
      consequence: t('Nobody can agree to them any more. Who has agreed stays noted.'),
      act: t('Delete'),
      run: async () => {
        await client.DELETE('/v1/accounts/{aid}/customers/terms/{tid}', { params: { path: { aid, tid: one.id } } })
      },
      done: t('The terms are deleted.'),
    })
  return (
    <Page
      title={t('Terms')}
      about={t('Texts that customers agree to. A text never changes: make another, and ask again.')}
      action={
        <Act account={aid} operation="createTerms" leftSection={<IconPlus size={16} />} onClick={open}>
          {t('New terms')}
        </Act>
      }
    >
      <List
        label={t('Terms')}
        rows={terms}
        keyOf={(one) => one.id}
        empty={t('There are no terms yet.')}
        columns={[
          {
            title: t('Text'),
            cell: (one) => (
              <Text size="sm" lineClamp={2} className="wrap" maw={520}>
                {one.terms}
              </Text>
            ),
          },
          { title: t('Made'), wide: true, sort: (one) => one.created_at, cell: (one) => <Time at={one.created_at} relative /> },
          { title: t('ID'), wide: true, cell: (one) => <Copy value={one.id} /> },
          {
            title: t('Change'),
            cell: (one) => (
              <Stack gap={4} align="flex-start">
                <Act account={aid} operation="getTerms" size="compact-sm" variant="default" onClick={() => setRead(one)}>
                  {t('Read')}
                </Act>
                <Act account={aid} operation="deleteTerms" size="compact-sm" color="red" variant="outline" onClick={() => erase(one)}>
                  {t('Delete')}
                </Act>
              </Stack>
            ),
          },
        ]}
      />
      <Dialog opened={making} onClose={close} title={t('New terms')} size="lg">
        <NewTerms aid={aid} onClose={close} />
      </Dialog>
      <Dialog opened={!!read} onClose={() => setRead(undefined)} title={t('Terms')} size="lg">
        <Text className="wrap" style={{ whiteSpace: 'pre-wrap' }}>
          {read?.terms}
        </Text>
      </Dialog>
    </Page>
  )
}

function NewTerms({ aid, onClose }: { aid: string; onClose: () => void }) {
  const form = useForm({ initialValues: { terms: '' } })
  const { submit, saving } = useSave(form, (body) => client.POST('/v1/accounts/{aid}/customers/terms', { params: { path: { aid } }, body }), onClose)
  return (
    <form onSubmit={submit}>
      <Stack>
        <Textarea label={t('Text')} required autosize minRows={8} maxRows={20} data-autofocus {...form.getInputProps('terms')} />
        <End account={aid} operation="createTerms" saving={saving} act={t('Create')} onCancel={onClose} />
      </Stack>
    </form>
  )
}
