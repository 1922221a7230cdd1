// Who looks, and which single-key shortcuts they want.

import { get } from './api'
import type { Me } from './types'

const SHORTCUTS = 'twin-shortcuts'

class Session {
  me = $state.raw<Me | null>(null)
  shortcuts = $state(localStorage.getItem(SHORTCUTS) !== 'off')

  async load(): Promise<void> {
    this.me = await get<Me>('me')
  }

  setShortcuts(wanted: boolean): void {
    this.shortcuts = wanted
    localStorage.setItem(SHORTCUTS, wanted ? 'on' : 'off')
  }
}

export const session = new Session()
