// The words on the screen, in the chosen language, with plural rules and numbers to match.

import en from '../messages/en.json'
import { address } from './address.svelte'
import { clock } from './clock.svelte'
import { Format, plain } from './format'

export type Key = keyof typeof en
type Message = string | Record<string, string>
type Messages = Record<string, Message>
export const LANGUAGES = { en: 'English', es: 'Español', zh: '简体中文' } as const
export type Language = keyof typeof LANGUAGES
const LOCALES: Record<Language, string> = { en: 'en-GB', es: 'es', zh: 'zh-Hans' }

const LOADERS: Record<Language, () => Promise<Messages>> = {
  en: () => Promise.resolve(en),
  es: () => import('../messages/es.json').then((module) => module.default),
  zh: () => import('../messages/zh.json').then((module) => module.default),
}

function preferred(): Language {
  const asked = address.get('lang') ?? navigator.language.slice(0, 2)
  return asked in LANGUAGES ? (asked as Language) : 'en'
}

class Words {
  language = $state<Language>('en')
  private messages = $state.raw<Messages>(en)
  private rules = $derived(new Intl.PluralRules(LOCALES[this.language]))
  format = $derived(new Format(LOCALES[this.language], clock.timezone))

  async load(): Promise<void> {
    await this.speak(preferred())
  }

  async speak(language: Language): Promise<void> {
    this.messages = await LOADERS[language]()
    this.language = language
    document.documentElement.lang = language === 'zh' ? 'zh-Hans' : language
  }

  /** The message of a key; `n` chooses its plural form, and {name} is filled in. */
  say(key: Key, values: Record<string, string | number> = {}): string {
    const message = this.messages[key] ?? en[key]
    const text = typeof message === 'string' ? message : this.plural(message, values.n)
    return text.replace(/\{(\w+)\}/g, (_, name: string) => this.show(values[name]))
  }

  /** The message `group.word` where there is one, else the word itself made readable. */
  word(group: string, word: string | null | undefined): string {
    if (word === null || word === undefined || word === '') return ''
    const key = `${group}.${word}`
    const message = this.messages[key] ?? (en as Messages)[key]
    return typeof message === 'string' ? message : plain(word)
  }

  /** Whether there is a message for a word of a group. */
  knows(group: string, word: string): boolean {
    return `${group}.${word}` in en
  }

  private plural(message: Record<string, string>, n: string | number | undefined): string {
    const form = this.rules.select(Number(n ?? 0))
    return message[form] ?? message.other ?? ''
  }

  private show(value: string | number | undefined): string {
    return typeof value === 'number' ? this.format.integer(value) : (value ?? '')
  }
}

export const words = new Words()

/** Short form for templates. */
export function t(key: Key, values?: Record<string, string | number>): string {
  return words.say(key, values)
}
