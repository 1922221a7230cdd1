// What is known of a corridor over time: speeds by minute and link, kept for one window. A new
// minute is added, an old one forgotten.

import type { Cell, Maybe, TimeSpaceAnswer } from '../lib/types'
import { FILL, NO_DATA, stateOfRatio, STATES } from '../lib/speed'

export const MINUTE_MS = 60_000


/** Speed classes and speeds by minute, kept for a window that ends now. */
export class Window {
  /** Start of each minute, in ms; the keys of what is known. */
  private readonly columns = new Map<number, { speeds: Maybe<number>[]; source: number[] }>()
  cells: Cell[] = []
  lengthM = 0
  endMs = 0
  forecast: TimeSpaceAnswer['forecast'] = null
  stepMs = MINUTE_MS

  constructor(readonly minutes: number) {}

  /** Take an answer in; gives the starts of the minutes that changed. */
  take(answer: TimeSpaceAnswer): number[] {
    this.cells = answer.cells
    this.lengthM = Math.max(0, ...answer.cells.map((cell) => cell.end_m))
    this.stepMs = answer.step_s * 1000
    this.endMs = Date.parse(answer.end)
    this.forecast = answer.forecast
    const startMs = Date.parse(answer.start)
    const fresh = answer.speed_kph.map((speeds, index) => {
      const at = startMs + index * this.stepMs
      this.columns.set(at, { speeds, source: answer.source[index] ?? [] })
      return at
    })
    this.forget()
    return fresh
  }

  get startMs(): number {
    return this.endMs - this.minutes * MINUTE_MS
  }

  get empty(): boolean {
    return this.columns.size === 0
  }

  /** What is known at a moment and a place: a past minute, or a step of the forecast. */
  at(ms: number, meters: number): Reading | null {
    const cell = this.cells.findIndex((part) => meters >= part.start_m && meters < part.end_m)
    if (cell === -1) return null
    const free = this.cells[cell]!.free_speed_kph
    if (ms < this.endMs) {
      const minute = this.columns.get(this.minuteOf(ms))
      const speed = minute?.speeds[cell] ?? null
      return reading(speed, free, speed === null ? 'none' : (SOURCES[minute?.source[cell] ?? 0] ?? 'none'))
    }
    const step = this.stepOf(ms)
    return step === null ? null : reading(step[cell] ?? null, free, 'forecast')
  }

  /** Mean over the last known minute by cell. */
  latest(): Maybe<number>[] {
    const newest = Math.max(...this.columns.keys())
    return this.columns.get(newest)?.speeds ?? []
  }

  minuteOf(ms: number): number {
    const back = Math.ceil((this.endMs - ms) / this.stepMs)
    return this.endMs - back * this.stepMs
  }

  column(at: number): Maybe<number>[] | undefined {
    return this.columns.get(at)?.speeds
  }

  private stepOf(ms: number): Maybe<number>[] | null {
    if (this.forecast === null) return null
    const index = Math.floor((ms - Date.parse(this.forecast.start)) / (this.forecast.step_s * 1000))
    return this.forecast.speed_kph[Math.max(0, index)] ?? null
  }

  private forget(): void {
    for (const at of this.columns.keys()) if (at < this.startMs) this.columns.delete(at)
  }
}

export type SourceWord = 'none' | 'measured' | 'neighbours' | 'profile' | 'forecast'
const SOURCES: SourceWord[] = ['none', 'measured', 'neighbours', 'profile']

export interface Reading {
  speed: Maybe<number>
  state: number
  source: SourceWord
}

function reading(speed: Maybe<number>, free: number, source: SourceWord): Reading {
  return { speed, state: speed === null ? NO_DATA : stateOfRatio(speed / free), source }
}

/** Colour of a cell, or null where nothing is known. */
export function cellColour(speed: Maybe<number>, freeKph: number): string | null {
  if (speed === null) return null
  return FILL[STATES[stateOfRatio(speed / freeKph)] ?? 'no_data']
}
