// Dark or light: what the address says, else what the system prefers.

import { address } from './address.svelte'

export type Theme = 'dark' | 'light'

class ThemeChoice {
  private system = $state<Theme>('dark')
  current = $derived.by<Theme>(() => {
    const asked = address.get('theme')
    return asked === 'dark' || asked === 'light' ? asked : this.system
  })

  constructor() {
    const light = matchMedia('(prefers-color-scheme: light)')
    this.system = light.matches ? 'light' : 'dark'
    light.addEventListener('change', () => {
      this.system = light.matches ? 'light' : 'dark'
    })
  }

  toggle(): void {
    address.set({ theme: this.current === 'dark' ? 'light' : 'dark' })
  }
}

export const theme = new ThemeChoice()

/** Value of a colour token in the theme that is shown, for what is drawn on a canvas. */
export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
}
