// The decisions that wait for a person: kept for the whole console, because the rail counts them.

import { get } from './api'
import { DEVICE_KINDS } from './decision'
import { live } from './live.svelte'
import { Poll } from './poll.svelte'
import type { DecisionView } from './types'

const EVERY_MS = 10_000

interface Answer {
  decisions: DecisionView[]
}

class Decisions {
  readonly open = new Poll<Answer>(() => get<Answer>('decisions?state=open&limit=200'), EVERY_MS)
  waiting = $derived((this.open.data?.decisions ?? []).filter(isWaiting))
  running = $derived((this.open.data?.decisions ?? []).filter(isRunning))

  start(): () => void {
    const stop = this.open.start()
    const deaf = live.onNews((kind) => {
      if (kind === 'decision' || kind === 'back') this.open.soon()
    })
    return () => {
      stop()
      deaf()
    }
  }
}

export function isWaiting(decision: DecisionView): boolean {
  return decision.state === 'proposed'
}

// What a person approved or set to automatic; the single requests under it are in the history.
function isRunning(decision: DecisionView): boolean {
  const lasts = decision.kind === 'signal_control' || DEVICE_KINDS.has(decision.kind)
  return lasts && decision.state !== 'proposed'
}

export const decisions = new Decisions()
