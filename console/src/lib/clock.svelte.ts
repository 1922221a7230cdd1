// The service's clock, carried on between its messages; never this computer's own time of day.

import { get } from './api'
import type { ClockAnswer } from './types'

class ServiceClock {
  /** Service time now, in milliseconds; 0 until the service has said. */
  now = $state(0)
  timezone = $state('UTC')
  rate = $state(1)
  mode = $state('LIVE')
  note = $state('')
  private held = 0
  private heldAt = 0
  private stopped = false

  async load(): Promise<void> {
    this.take(await get<ClockAnswer>('clock'))
  }

  take(answer: ClockAnswer): void {
    this.timezone = answer.timezone
    this.rate = answer.rate
    this.mode = answer.mode.toUpperCase()
    this.note = answer.note
    this.hear(Date.parse(answer.now))
  }

  /** The service said what time it is. */
  hear(ms: number): void {
    this.held = ms
    this.heldAt = performance.now()
    this.stopped = false
    this.beat()
  }

  /** No more messages: show the time of the last one. */
  stop(): void {
    this.stopped = true
    this.now = this.held
  }

  beat(): void {
    if (this.stopped || this.heldAt === 0) return
    this.now = this.held + (performance.now() - this.heldAt) * this.rate
  }
}

export const clock = new ServiceClock()
setInterval(() => clock.beat(), 250)
