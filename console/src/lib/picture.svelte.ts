// What the stream does not carry: signals and incidents, asked for beside one link.

import { get } from './api'
import { live } from './live.svelte'
import { network } from './network.svelte'
import { Poll } from './poll.svelte'
import type { PictureAnswer } from './types'

const EVERY_MS = 5000

class PicturePoll {
  readonly poll = new Poll<PictureAnswer>(() => {
    const first = network.links?.features[0]?.properties.id
    const query = first === undefined ? '' : `?link=${encodeURIComponent(first)}`
    return get<PictureAnswer>(`picture${query}`)
  }, EVERY_MS)

  start(): () => void {
    const stop = this.poll.start()
    const deaf = live.onNews((kind) => kind === 'back' && this.poll.soon())
    return () => {
      stop()
      deaf()
    }
  }
}

export const picture = new PicturePoll()
