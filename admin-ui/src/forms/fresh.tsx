import { Alert, Button, Group, Text } from '@mantine/core'
import { Fragment, type ReactNode, createContext, useContext, useEffect, useState } from 'react'
import { t } from '../words/words'

/** Who is told whether something unsaved stands in a form. */
export const Dirty = createContext<(dirty: boolean) => void>(() => undefined)

/** Tells the `Fresh` around a form whether something unsaved stands in it. */
export function useDirty(dirty: boolean) {
  const tell = useContext(Dirty)
  useEffect(() => {
    tell(dirty)
    return () => tell(false)
  }, [tell, dirty])
}

interface FreshProps<T> {
  data: T
  /** Another one with every change of the data. */
  version: string
  children: (data: T) => ReactNode
}

/** A form about data that somebody else may change: begun anew with them, but never over what one has typed. */
export function Fresh<T>({ data, version, children }: FreshProps<T>) {
  const [held, hold] = useState({ data, version })
  const [dirty, setDirty] = useState(false)
  const old = held.version !== version
  if (old && !dirty) hold({ data, version })
  return (
    <Dirty.Provider value={setDirty}>
      {old && dirty && (
        <Alert color="yellow" variant="light" role="alert">
          <Group justify="space-between" gap="xs">
            <Text size="sm">{t('Somebody has changed this meanwhile. Saving puts what you typed in its place.')}</Text>
            <Button size="compact-sm" variant="default" onClick={() => hold({ data, version })}>
              {t('Drop mine, show theirs')}
            </Button>
          </Group>
        </Alert>
      )}
      <Fragment key={held.version}>{children(old ? held.data : data)}</Fragment>
    </Dirty.Provider>
  )
}
