// What the stream does not carry: signals, incidents and the age of the newest reading,
// asked for beside one link.

import { get } from './api'
import { clock } from './clock.svelte'
import { live } from './live.svelte'
import { network } from './network.svelte'
import { Poll } from './poll.svelte'
import type { Freshness } from './speed'
import type { PictureAnswer } from './types'

const EVERY_MS = 2000

class PicturePoll {
  private watchers = 0
  private end: () => void = () => undefined
  readonly poll = new Poll<PictureAnswer>(() => {
    const first = network.links?.features[0]?.properties.id
    const query = first === undefined ? '' : `?link=${encodeURIComponent(first)}`
    return get<PictureAnswer>(`picture${query}`)
  }, EVERY_MS)

  /** How fresh the freshest link is; the picture itself is made anew every second. */
  get freshness(): Freshness {
    return this.poll.data?.newest_freshness ?? 'no_data'
  }

  /** The service is behind: the newest readings are shown before their turn. */
  get provisional(): boolean {
    return this.poll.data?.provisional ?? false
  }

  /** Age of the newest reading that a link shows, in seconds; null before there was one. */
  get age(): number | null {
    const answer = this.poll.data
    if (answer === null || answer.newest_age_s === null) return null
    return answer.newest_age_s + Math.max(0, (clock.now - Date.parse(answer.time)) / 1000)
  }

  /** Ask while anybody looks: a screen and its map may both begin, and end in any order. */
  start(): () => void {
    this.watchers += 1
    if (this.watchers === 1) this.end = this.begin()
    return () => {
      this.watchers -= 1
      if (this.watchers === 0) this.end()
    }
  }

  private begin(): () => void {
    const stop = this.poll.start()
    const deaf = live.onNews((kind) => kind === 'back' && this.poll.soon())
    return () => {
      stop()
      deaf()
    }
  }
}

export const picture = new PicturePoll()
