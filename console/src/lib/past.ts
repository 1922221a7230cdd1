// What a link did in the last hour, read out of its corridor's time-space answer.

import { get } from './api'
import type { ForecastLink, Maybe, TimeSpaceAnswer } from './types'

export interface History {
  /** Speeds of the minutes up to `endMs`, oldest first, km/h. */
  speeds: Maybe<number>[]
  endMs: number
}

/** The last hour of one link, or null where it lies on no corridor. */
export async function lastHour(road: string | undefined, link: string): Promise<History | null> {
  if (road === undefined) return null
  const path = `corridors/${encodeURIComponent(road)}/timespace?minutes=60`
  const answer = await get<TimeSpaceAnswer>(path)
  const column = answer.cells.findIndex((cell) => cell.link === link)
  if (column === -1) return null
  const speeds = answer.speed_kph.map((minute) => minute[column] ?? null)
  return { speeds, endMs: Date.parse(answer.end) }
}

export interface Point {
  /** Minutes from now; the past is negative. */
  minute: number
  value: number
}

/** Runs of known values, so that a hole in the data stays a hole in the line. */
export function runs(values: Maybe<number>[], minuteOf: (index: number) => number): Point[][] {
  const lines: Point[][] = [[]]
  values.forEach((value, index) => {
    if (value === null) lines.push([])
    else lines.at(-1)?.push({ minute: minuteOf(index), value })
  })
  return lines.filter((line) => line.length > 0)
}

/** Lower and upper edge of the forecast's interval by step, where both are known. */
export function band(forecast: ForecastLink): { index: number; lo: number; hi: number }[] {
  return forecast.speed_lo_kph.flatMap((lo, index) => {
    const hi = forecast.speed_hi_kph[index] ?? null
    return lo === null || hi === null ? [] : [{ index, lo, hi }]
  })
}
