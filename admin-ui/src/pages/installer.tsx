import { Anchor, Button, Card, Group, SimpleGrid, Stack, Text, Textarea, Title } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useDisclosure } from '@mantine/hooks'
import { useNavigate, useParams } from '@tanstack/react-router'
import { api, client, type Schema } from '../api/client'
import { queries } from '../api/queries'
import { show } from '../forms/told'
import { Act } from '../ui/allowed'
import { confirm, failed, tell } from '../ui/confirm'
import { Page } from '../ui/page'
import { Time } from '../ui/time'
import { NotYet } from '../ui/not-yet'
import { Dialog } from '../ui/dialog'
import { t } from '../words/words'
import { Verification } from './installers'

/** One installer: who that is, what was handed in, and the decision. */
export function InstallerPage() {
  const { account: aid, id: installer_id } = useParams({ from: '/inside/$account/installers/$id' })
  const path = { aid, installer_id }
  const navigate = useNavigate()
  const [rejecting, reject] = useDisclosure(false)
  const one = api.useQuery('get', '/v1/accounts/{aid}/management/installers/{installer_id}', { params: { path } })
  if (!one.data) return <NotYet query={one} />
  const found = one.data
  const name = `${found.first_name} ${found.last_name}`
  const done = async (run: Promise<unknown>, told: string) => {
    try {
      await run
      await queries.invalidateQueries()
      tell(told)
    } catch (error) {
      failed(error)
    }
  }
  const approve = () => done(client.POST('/v1/accounts/{aid}/management/installers/{installer_id}/approve', { params: { path } }), t('Approved.'))
  const suspend = () =>
    found.suspended
      ? done(client.POST('/v1/accounts/{aid}/management/installers/{installer_id}/reinstate', { params: { path } }), t('Let in again.'))
      : done(client.POST('/v1/accounts/{aid}/management/installers/{installer_id}/suspend', { params: { path } }), t('Shut out.'))
  const erase = () =>
    confirm({
      title: t('Erase {{name}}?', { name }),
      consequence: t('The account of this installer, its document and its sessions are gone for good.'),
      act: t('Erase'),
      typed: found.email,
      run: async () => {
        await client.DELETE('/v1/accounts/{aid}/management/installers/{installer_id}', { params: { path } })
        await navigate({ to: '/$account/installers', params: { account: aid } })
      },
      done: t('{{name}} is erased.', { name }),
    })
  return (
    <Page
      title={name}
      up={{ title: t('Installers'), to: '/$account/installers', params: { account: aid } as never }}
      about={`${found.email} · ${found.company}`}
      action={
        <>
          <Act account={aid} operation={found.suspended ? 'reinstateInstaller' : 'suspendInstaller'} variant="default" onClick={() => void suspend()}>
            {found.suspended ? t('Let in again') : t('Shut out')}
          </Act>
          <Act account={aid} operation="eraseInstaller" color="red" variant="outline" onClick={erase}>
            {t('Erase')}
          </Act>
        </>
      }
    >
      <Card withBorder>
        <Stack>
          <Group justify="space-between">
            <Group>
              <Title order={2} size="h4">
                {t('Identity')}
              </Title>
              <Verification state={found.verification_status} />
            </Group>
            <Group gap="xs">
              <Act
                account={aid}
                operation="approveInstaller"
                color="teal.9"
                disabled={found.verification_status !== 'under_review'}
                onClick={() => void approve()}
              >
                {t('Approve')}
              </Act>
              <Act account={aid} operation="rejectInstaller" variant="outline" color="red" disabled={!found.document} onClick={reject.open}>
                {t('Reject')}
              </Act>
            </Group>
          </Group>
          {found.rejection_reason && <Text c="red">{found.rejection_reason}</Text>}
          {found.reviewed_at && (
            <Text size="sm" c="dimmed" component="div">
              {t('Decided')} <Time at={found.reviewed_at} /> · {found.reviewed_by}
            </Text>
          )}
          {found.document ? <Document document={found.document} /> : <Text c="dimmed">{t('No document was handed in yet.')}</Text>}
        </Stack>
      </Card>
      <Dialog opened={rejecting} onClose={reject.close} title={t('Reject')}>
        <Rejection path={path} onDone={reject.close} />
      </Dialog>
    </Page>
  )
}

/** What was handed in. Pictures are elsewhere: they are opened, not shown here. */
function Document({ document }: { document: Schema['InstallerDocument'] }) {
  const pictures = [
    [t('Front'), document.document_front_url],
    [t('Back'), document.document_back_url],
    [t('Selfie'), document.selfie_url],
  ] as const
  const told = [
    [t('Document'), document.document_type],
    [t('Number'), document.document_number],
    [t('Good until'), document.document_expiry],
  ] as const
  return (
    <Stack>
      <SimpleGrid cols={{ base: 1, sm: 3 }}>
        {told.map(([name, value]) => (
          <div key={name}>
            <Text size="sm" c="dimmed">
              {name}
            </Text>
            <Text>{value}</Text>
          </div>
        ))}
      </SimpleGrid>
      <Group>
        {pictures.map(
          ([name, url]) =>
            url && /^https?:/.test(url) && (
              <Anchor key={name} href={url} target="_blank" rel="noreferrer noopener">
                {name}
              </Anchor>
            ),
        )}
      </Group>
    </Stack>
  )
}

function Rejection({ path, onDone }: { path: { aid: string; installer_id: string }; onDone: () => void }) {
  const form = useForm({ initialValues: { reason: '' } })
  const submit = form.onSubmit(async (body) => {
    try {
      await client.POST('/v1/accounts/{aid}/management/installers/{installer_id}/reject', { params: { path }, body })
      await queries.invalidateQueries()
      tell(t('Rejected.'))
      onDone()
    } catch (error) {
      show(form, error)
    }
  })
  return (
    <form onSubmit={submit}>
      <Stack>
        <Textarea label={t('Why')} description={t('The installer is told.')} required autosize minRows={3} data-autofocus {...form.getInputProps('reason')} />
        <Group justify="flex-end">
          <Button type="submit" color="red" loading={form.submitting}>
            {t('Reject')}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}
