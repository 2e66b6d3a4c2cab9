/** What the console says, in the reader's language: the English text is the key. */
import i18next from 'i18next'
import { nb } from './nb'

export const LANGUAGES = { en: 'English', nb: 'Norsk' } as const
export type Language = keyof typeof LANGUAGES

const KEPT = 'tenantry.language'

function wanted(): Language {
  const kept = localStorage.getItem(KEPT)
  if (kept === 'en' || kept === 'nb') return kept
  return /^(nb|nn|no)\b/.test(navigator.language) ? 'nb' : 'en'
}

export function startWords() {
  void i18next.init({
    lng: wanted(),
    fallbackLng: 'en',
    resources: { nb: { translation: nb } },
    keySeparator: false,
    nsSeparator: false,
    initAsync: false,
    // React escapes; a name that is written from right to left turns nothing round it about.
    interpolation: { escapeValue: true, escape: (text: string) => (/[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069]/.test(text) ? `\u2068${text}\u2069` : text) },
  })
  document.documentElement.lang = language()
}

export function t(text: string, values: Record<string, string | number> = {}): string {
  return i18next.t(text, values)
}

export function language(): Language {
  return i18next.language === 'nb' ? 'nb' : 'en'
}

export function onLanguage(told: () => void): () => void {
  i18next.on('languageChanged', told)
  return () => i18next.off('languageChanged', told)
}

export function setLanguage(language: Language) {
  localStorage.setItem(KEPT, language)
  document.documentElement.lang = language
  void i18next.changeLanguage(language)
}
