import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { nb } from './nb'

/** What the sources say, found by how it is said. */
function said(): Set<string> {
  const src = join(import.meta.dirname, '..')
  const all = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => /\.tsx?$/.test(file) && !file.includes('.test.'))
  const texts = all.map((file) => [file, readFileSync(join(src, file), 'utf8')] as const)
  const found = texts.flatMap(([, text]) => [...text.matchAll(/\bt\(\s*'((?:[^'\\]|\\.)*)'/g)].map((match) => match[1]!))
  const places = texts.filter(([file]) => file.endsWith('places.ts')).flatMap(([, text]) => [...text.matchAll(/(?:title|group): '([^']*)'/g)].map((match) => match[1]!))
  return new Set([...found, ...places])
}

test('everything is said in Norwegian, and nothing that is not said', () => {
  expect(Object.keys(nb).toSorted()).toEqual([...said()].toSorted())
})

test('what is put into a text is put into both', () => {
  const holes = (text: string) => [...text.matchAll(/\{\{\w+\}\}/g)].map((match) => match[0]).toSorted()
  for (const [english, norwegian] of Object.entries(nb)) expect(holes(norwegian), english).toEqual(holes(english))
})
