import { describe, expect, it } from 'vitest'
import en from './en.json'
import es from './es.json'
import zh from './zh.json'

type Message = string | Record<string, string>
const all: Record<string, Record<string, Message>> = { en, es, zh }

function names(message: Message): string[] {
  const text = typeof message === 'string' ? message : (message.other ?? '')
  return [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1]!).sort()
}

describe.each(Object.entries(all))('messages in %s', (language, messages) => {
  it('has the same keys as English, and none is empty', () => {
    expect(Object.keys(messages).sort()).toEqual(Object.keys(en).sort())
    for (const message of Object.values(messages)) expect(message).not.toBe('')
  })

  it('fills in the same values', () => {
    for (const [key, message] of Object.entries(messages)) {
      expect(names(message), key).toEqual(names((en as Record<string, Message>)[key]!))
    }
  })

  it('has every plural form of the language', () => {
    const forms = new Intl.PluralRules(language).resolvedOptions().pluralCategories.sort()
    for (const [key, message] of Object.entries(messages)) {
      if (typeof message !== 'string') expect(Object.keys(message).sort(), key).toEqual(forms)
    }
  })
})
