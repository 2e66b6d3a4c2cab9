import { Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { modals } from '@mantine/modals'
import { notifications } from '@mantine/notifications'
import { type ReactNode, useState } from 'react'
import { queries } from '../api/queries'
import { SignedOut, toSignIn } from '../api/session'
import { t } from '../words/words'
import { message } from './trouble'

interface Asked {
  title: string
  /** What will happen. */
  consequence: ReactNode
  /** What the button says. */
  act: string
  /** What has to be typed first. */
  typed?: string
  run: () => Promise<unknown>
  done?: string
}

/** Asks before something that cannot be undone. */
export function confirm({ title, ...asked }: Asked) {
  const id = modals.open({ title, children: <Question {...asked} close={() => modals.close(id)} /> })
}

function Question({ consequence, act, typed, run, done, close }: Omit<Asked, 'title'> & { close: () => void }) {
  const [text, setText] = useState('')
  const [tried, setTried] = useState(false)
  const [running, setRunning] = useState(false)
  const wrong = typed !== undefined && text.trim() !== typed
  const go = async () => {
    setTried(true)
    if (wrong || running) return
    setRunning(true)
    try {
      await run()
      close()
      if (done) tell(done)
      await queries.invalidateQueries()
    } catch (error) {
      failed(error)
      setRunning(false)
    }
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        void go()
      }}
    >
      <Stack>
        <Text size="sm" component="div">
          {consequence}
        </Text>
        {typed !== undefined && (
          <TextInput
            label={t('Type {{wanted}} to go on', { wanted: typed })}
            value={text}
            error={tried && wrong && t('This is not {{wanted}}.', { wanted: typed })}
            autoComplete="off"
            data-autofocus
            onChange={(event) => setText(event.currentTarget.value)}
          />
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={close} {...(typed === undefined ? { 'data-autofocus': true } : {})}>
            {t('Cancel')}
          </Button>
          <Button type="submit" color="red" loading={running}>
            {act}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

/** Says that something is done. */
export function tell(text: string) {
  notifications.show({ message: text, color: 'teal' })
}

/** Does something at once, and offers to undo it. */
export function done(doing: Promise<unknown>, text: string, undo?: () => Promise<unknown>) {
  const settle = (doing: Promise<unknown>, then: () => void) => void doing.finally(() => queries.invalidateQueries()).then(then, failed)
  settle(doing, () => {
    if (!undo) return tell(text)
    const id = notifications.show({
      message: (
        <Group justify="space-between" wrap="nowrap">
          {text}
          <Button size="compact-sm" variant="default" onClick={() => (notifications.hide(id), settle(undo(), () => tell(t('Undone.'))))}>
            {t('Undo')}
          </Button>
        </Group>
      ),
      color: 'teal',
      autoClose: 10_000,
    })
  })
}

/** Says that something failed, and why. */
export function failed(error: unknown) {
  if (error instanceof SignedOut) return toSignIn()
  notifications.show({ title: t('That did not work'), message: message(error), color: 'red', autoClose: 10_000 })
}
