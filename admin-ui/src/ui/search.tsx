import { TextInput } from '@mantine/core'
import { useDebouncedCallback } from '@mantine/hooks'
import { IconSearch } from '@tabler/icons-react'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { t } from '../words/words'

/** Words to look for; they stand in the address, so that it can be kept and sent. */
export function Search({ value, label }: { value: string | undefined; label: string }) {
  const navigate = useNavigate()
  const [text, setText] = useState(value ?? '')
  const [shown, setShown] = useState(value)
  // The address was changed by something else than this field.
  if (shown !== value) {
    setShown(value)
    if ((value ?? '') !== text.trim()) setText(value ?? '')
  }
  const look = useDebouncedCallback((text: string) => {
    void navigate({ to: '.', search: ((before: object) => ({ ...before, search: text.trim() || undefined })) as never, replace: true })
  }, 250)
  return (
    <TextInput
      value={text}
      onChange={(event) => {
        setText(event.currentTarget.value)
        look(event.currentTarget.value)
      }}
      placeholder={t('Search')}
      aria-label={label}
      leftSection={<IconSearch size={16} />}
      type="search"
      maw={360}
    />
  )
}
