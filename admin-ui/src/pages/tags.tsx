import { Button, Group, TextInput } from '@mantine/core'
import { useForm } from '@mantine/form'
import { Link } from '@tanstack/react-router'
import { api, client, type Schema } from '../api/client'
import { queries } from '../api/queries'
import { show } from '../forms/told'
import { useAccount } from '../ui/account'
import { Act } from '../ui/allowed'
import { confirm } from '../ui/confirm'
import { List } from '../ui/list'
import { Page } from '../ui/page'
import { whole } from '../ui/pages'
import { t } from '../words/words'

/** Words that customers are marked with. */
export function TagsPage() {
  const aid = useAccount()
  const tags = api.useQuery('get', '/v1/accounts/{aid}/customers/tags', { params: { path: { aid } } })
  const form = useForm({ initialValues: { tag: '' } })
  const make = form.onSubmit(async (body) => {
    try {
      await client.POST('/v1/accounts/{aid}/customers/tags', { params: { path: { aid } }, body })
      form.reset()
      await queries.invalidateQueries()
    } catch (error) {
      show(form, error)
    }
  })
  const erase = (tag: Schema['Tag']) =>
    confirm({
      title: t('Delete {{name}}?', { name: tag.tag }),
      consequence: t('Every customer loses it.'),
      act: t('Delete'),
      run: async () => {
        await client.DELETE('/v1/accounts/{aid}/customers/tags/{tag_id}', { params: { path: { aid, tag_id: tag.id } } })
      },
      done: t('{{name}} is deleted.', { name: tag.tag }),
    })
  return (
    <Page title={t('Tags')} about={t('Words that customers are marked with, and found by.')}>
      <form onSubmit={make}>
        <Group align="flex-start">
          <TextInput aria-label={t('New tag')} placeholder={t('New tag')} required {...form.getInputProps('tag')} />
          <Act account={aid} operation="createTag" type="submit" loading={form.submitting}>
            {t('Create')}
          </Act>
        </Group>
      </form>
      <List
        label={t('Tags')}
        rows={whole(tags)}
        keyOf={(tag) => tag.id}
        empty={t('There is no tag yet.')}
        columns={[
          { title: t('Tag'), cell: (tag) => <span className="wrap">{tag.tag}</span> },
          {
            title: t('Change'),
            cell: (tag) => (
              <Group gap="xs">
                <Button component={Link} to="/$account/customers" {...({ params: { account: aid }, search: { tag: tag.id } } as object)} size="compact-sm" variant="default">
                  {t('Who has it')}
                </Button>
                <Act account={aid} operation="deleteTag" size="compact-sm" color="red" variant="outline" onClick={() => erase(tag)}>
                  {t('Delete')}
                </Act>
              </Group>
            ),
          },
        ]}
      />
    </Page>
  )
}
