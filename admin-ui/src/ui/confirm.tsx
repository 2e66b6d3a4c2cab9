import { Stack, Text, TextInput } from '@mantine/core'
import { modals } from '@mantine/modals'
import { notifications } from '@mantine/notifications'
import { type ReactNode, useState } from 'react'
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
export function confirm({ title, consequence, act, typed, run, done }: Asked) {
  let given = ''
  modals.openConfirmModal({
    title,
    children: (
      <Stack>
        <Text size="sm" component="div">
          {consequence}
        </Text>
        {typed !== undefined && <Typed wanted={typed} onChange={(text) => (given = text)} />}
      </Stack>
    ),
    labels: { confirm: act, cancel: t('Cancel') },
    confirmProps: { color: 'red' },
    closeOnConfirm: false,
    onConfirm: () => {
      if (typed !== undefined && given !== typed) return
      modals.closeAll()
      run().then(() => done && tell(done), failed)
    },
  })
}

function Typed({ wanted, onChange }: { wanted: string; onChange: (text: string) => void }) {
  const [text, setText] = useState('')
  return (
    <TextInput
      label={t('Type {{wanted}} to go on', { wanted })}
      value={text}
      autoComplete="off"
      data-autofocus
      onChange={(event) => {
        setText(event.currentTarget.value)
        onChange(event.currentTarget.value)
      }}
    />
  )
}

/** Says that something is done. */
export function tell(text: string) {
  notifications.show({ message: text, color: 'teal' })
}

/** Says that something failed, and why. */
export function failed(error: unknown) {
  if (error instanceof SignedOut) return toSignIn()
  notifications.show({ title: t('That did not work'), message: message(error), color: 'red', autoClose: 10_000 })
}
