// An answer that is asked for again and again while somebody looks at it.

import { Problem } from './api'

export class Poll<T> {
  data = $state.raw<T | null>(null)
  error = $state.raw<Problem | null>(null)
  private timer: ReturnType<typeof setTimeout> | undefined
  private running = false
  private asked = 0

  constructor(
    private readonly load: () => Promise<T>,
    private readonly everyMs: number,
  ) {}

  /** Begin to ask; gives the way to stop, as an effect wants it. */
  start(): () => void {
    this.running = true
    void this.refresh()
    return () => {
      this.running = false
      clearTimeout(this.timer)
    }
  }

  /** Ask now, and then again after the usual time. An answer that was overtaken is dropped. */
  async refresh(): Promise<void> {
    clearTimeout(this.timer)
    const turn = ++this.asked
    try {
      const data = await this.load()
      if (turn !== this.asked) return
      this.data = data
      this.error = null
    } catch (error) {
      if (turn !== this.asked) return
      this.error = error instanceof Problem ? error : new Problem(0, String(error), '', '')
    }
    if (this.running) this.timer = setTimeout(() => void this.refresh(), this.everyMs)
  }

  /** Ask soon: several wishes within a moment make one request. */
  soon(): void {
    if (!this.running) return
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.refresh(), 250)
  }
}
