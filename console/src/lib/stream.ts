// The connection to the binary live stream, which it keeps alive.

import { streamUrl } from './api'
import { BadFrame, decodeFrame, type Frame } from './frame'

const FIRST_DELAY_MS = 1000
const LONGEST_DELAY_MS = 10_000
const SILENCE_MS = 30_000

export interface StreamEvents {
  frame(frame: Frame): void
  lost(retryInMs: number): void
}

export class Stream {
  private socket: WebSocket | null = null
  private delayMs = FIRST_DELAY_MS
  private retry: ReturnType<typeof setTimeout> | undefined
  private silence: ReturnType<typeof setTimeout> | undefined

  constructor(private readonly events: StreamEvents) {}

  connect(): void {
    clearTimeout(this.retry)
    const socket = new WebSocket(streamUrl())
    socket.binaryType = 'arraybuffer'
    this.socket = socket
    this.watch()
    socket.onmessage = (message) => this.take(message.data)
    socket.onclose = () => {
      if (socket === this.socket) this.lost()
    }
  }

  /** Ask the service for a whole picture, because a delta did not fit. */
  wantKey(): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send('key')
  }

  private take(data: unknown): void {
    if (!(data instanceof ArrayBuffer)) return
    this.watch()
    try {
      this.events.frame(decodeFrame(data))
      this.delayMs = FIRST_DELAY_MS
    } catch (error) {
      if (!(error instanceof BadFrame)) throw error
      this.wantKey()
    }
  }

  // A socket that says nothing for long is as good as lost.
  private watch(): void {
    clearTimeout(this.silence)
    this.silence = setTimeout(() => this.socket?.close(), SILENCE_MS)
  }

  private lost(): void {
    clearTimeout(this.silence)
    this.socket = null
    this.events.lost(this.delayMs)
    this.retry = setTimeout(() => this.connect(), this.delayMs)
    this.delayMs = Math.min(this.delayMs * 2, LONGEST_DELAY_MS)
  }
}
