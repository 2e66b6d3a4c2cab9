/** Times in the reader's zone. */
import { language } from '../words/words'

/** How the reader writes: as the browser says, where that is in the language of the console. */
export function locale(): string {
  return navigator.languages.find((one) => one.startsWith(language())) ?? language()
}

export function local(time: string): string {
  return new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(time))
}

export function utc(time: string): string {
  return `${new Date(time).toISOString().replace('T', ' ').slice(0, 19)} UTC`
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
]

/** "3 hours ago", "in 2 days". */
export function ago(time: string, now = Date.now()): string {
  const seconds = (new Date(time).getTime() - now) / 1000
  const [unit, size] = STEPS.find(([, size]) => Math.abs(seconds) >= size) ?? ['second', 1]
  return new Intl.RelativeTimeFormat(locale(), { numeric: 'auto' }).format(Math.round(seconds / size), unit)
}

/** Whether a word of an address is a time. */
export function isTime(text: string | undefined): boolean {
  return text !== undefined && !Number.isNaN(new Date(text).getTime())
}

/** A time as an input of the reader's zone has it; empty for what is none. */
export function inputTime(time: string | undefined): string {
  if (time === undefined || !isTime(time)) return ''
  const at = new Date(time)
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}
