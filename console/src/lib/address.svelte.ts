// The URL is the state: screen, selection, layers, theme and language live in its query.

export const SCREENS = ['map', 'corridor', 'decisions', 'access', 'system'] as const
export type Screen = (typeof SCREENS)[number]

/** The number key and the place in the rail of each screen; the numbers between are other rooms. */
export const SCREEN_KEYS: Record<string, Screen> = {
  '1': 'map',
  '2': 'corridor',
  '4': 'decisions',
  '5': 'access',
  '7': 'system',
}

type Patch = Record<string, string | null>

class Address {
  private params = $state.raw(new URLSearchParams(location.search))

  constructor() {
    addEventListener('popstate', () => {
      this.params = new URLSearchParams(location.search)
    })
  }

  get(name: string): string | null {
    return this.params.get(name)
  }

  get screen(): Screen {
    const asked = this.params.get('screen') as Screen | null
    return asked !== null && SCREENS.includes(asked) ? asked : 'map'
  }

  /** Change parts of the address; null removes one. A change of screen makes a step back possible. */
  set(patch: Patch): void {
    const next = new URLSearchParams(this.params)
    for (const [name, value] of Object.entries(patch)) {
      if (value === null || value === '') next.delete(name)
      else next.set(name, value)
    }
    const query = next.toString()
    const url = query === '' ? location.pathname : `${location.pathname}?${query}`
    if ('screen' in patch && patch.screen !== this.screen) history.pushState(null, '', url)
    else history.replaceState(null, '', url)
    this.params = next
  }

  open(screen: Screen, patch: Patch = {}): void {
    this.set({ ...patch, screen })
  }

  /** A list held as `a,b,c`; null when the address does not say. */
  list(name: string): string[] | null {
    const text = this.params.get(name)
    return text === null ? null : text.split(',').filter((item) => item !== '' && item !== 'none')
  }
}

export const address = new Address()
