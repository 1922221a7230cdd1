// The live picture: bytes of all links from the stream, and whether the stream stands.

import { ALERTS_URL } from './api'
import { clock } from './clock.svelte'
import { type Frame, LinkBytes } from './frame'
import { countStates } from './speed'
import { Stream } from './stream'
import type { ClockAnswer } from './types'

export type Listener = (values: Uint8Array, rows: Uint32Array) => void
type Connection = 'connecting' | 'live' | 'lost'

class Live {
  connection = $state<Connection>('connecting')
  /** This computer's time of the next attempt, for the countdown. */
  retryAt = $state(0)
  /** Service time of the last frame before the connection was lost. */
  lostAt = $state(0)
  sequence = $state(-1)
  eventMs = $state(0)
  mapVersion = $state('')
  counts = $state.raw<number[]>([])
  private readonly bytes = new LinkBytes()
  private readonly listeners = new Set<Listener>()
  private readonly news = new Set<(kind: string) => void>()
  private readonly stream = new Stream({
    frame: (frame) => this.take(frame),
    lost: (retryInMs) => this.lost(retryInMs),
  })

  start(): void {
    this.stream.connect()
    this.listenToAlerts()
  }

  retryNow(): void {
    this.stream.connect()
  }

  /** Byte of one link, as the stream codes it; undefined before the first frame. */
  byteOf(row: number): number | undefined {
    return this.bytes.values[row]
  }

  /** Be told of every change, beginning with the whole picture as it is now. */
  follow(listener: Listener): () => void {
    this.listeners.add(listener)
    if (this.sequence >= 0) listener(this.bytes.values, allRows(this.bytes.values))
    return () => this.listeners.delete(listener)
  }

  /** Be told that there is something new of a kind: `decision`, `gate`, `clock` or `back`. */
  onNews(listener: (kind: string) => void): () => void {
    this.news.add(listener)
    return () => this.news.delete(listener)
  }

  private take(frame: Frame): void {
    const rows = this.bytes.apply(frame)
    if (rows === null) {
      this.stream.wantKey()
      return
    }
    const back = this.connection !== 'live'
    this.connection = 'live'
    this.sequence = frame.sequence
    this.eventMs = frame.eventMs
    this.mapVersion = frame.mapVersion
    this.counts = countStates(this.bytes.values)
    clock.hear(frame.serverMs)
    for (const listener of this.listeners) listener(this.bytes.values, rows)
    if (back) this.tell('back')
  }

  private lost(retryInMs: number): void {
    this.retryAt = Date.now() + retryInMs
    this.bytes.sequence = -1 // only a whole picture counts after a gap
    if (this.connection === 'lost') return
    this.connection = 'lost'
    clock.stop()
    this.lostAt = clock.now
  }

  private tell(kind: string): void {
    for (const listener of this.news) listener(kind)
  }

  private listenToAlerts(): void {
    const source = new EventSource(ALERTS_URL)
    for (const kind of ['decision', 'gate']) {
      source.addEventListener(kind, () => this.tell(kind))
    }
    // Some alerts were too many for this connection: read every list again.
    source.addEventListener('missed', () => this.tell('back'))
    source.addEventListener('clock', (event: MessageEvent<string>) => {
      if (this.connection === 'lost') return
      const told = JSON.parse(event.data) as Partial<ClockAnswer>
      if (told.mode !== undefined && told.now !== undefined) clock.take(told as ClockAnswer)
    })
  }
}

function allRows(values: Uint8Array): Uint32Array {
  return Uint32Array.from(values.keys())
}

export const live = new Live()
