import { expect, it } from 'vitest'
import type { TimeSpaceAnswer } from '../lib/types'
import { Window } from './raster'

const cells = [
  { link: 'a', row: 0, start_m: 0, end_m: 500, free_speed_kph: 100 },
  { link: 'b', row: 1, start_m: 500, end_m: 1200, free_speed_kph: 50 },
]

function answer(start: string, end: string, speeds: (number | null)[][]): TimeSpaceAnswer {
  return {
    road: 'x',
    start,
    end,
    step_s: 60,
    cells,
    speed_kph: speeds,
    source: speeds.map((minute) => minute.map((speed) => (speed === null ? 0 : 1))),
    forecast: { id: 'f', start: end, step_s: 300, speed_kph: [[90, 45], [20, null]] },
  }
}

it('reads the measured past, holes, and the forecast', () => {
  const window = new Window(3)
  window.take(answer('2026-06-16T06:00:00Z', '2026-06-16T06:03:00Z', [[90, 10], [80, null], [20, 30]]))
  const at = (time: string, meters: number) => window.at(Date.parse(time), meters)
  expect(at('2026-06-16T06:00:30Z', 100)).toEqual({ speed: 90, state: 0, source: 'measured' })
  expect(at('2026-06-16T06:02:59Z', 499)).toEqual({ speed: 20, state: 5, source: 'measured' })
  expect(at('2026-06-16T06:01:30Z', 600)).toEqual({ speed: null, state: 7, source: 'none' })
  expect(at('2026-06-16T06:04:00Z', 600)).toEqual({ speed: 45, state: 0, source: 'forecast' })
  expect(at('2026-06-16T06:09:00Z', 600)?.speed).toBeNull()
  expect(at('2026-06-16T06:04:00Z', 1200)).toBeNull()
})

it('appends new minutes and forgets those that left the window', () => {
  const window = new Window(3)
  window.take(answer('2026-06-16T06:00:00Z', '2026-06-16T06:03:00Z', [[1, 1], [2, 2], [3, 3]]))
  const fresh = window.take(answer('2026-06-16T06:02:00Z', '2026-06-16T06:04:00Z', [[3, 3], [4, 4]]))
  expect(fresh).toHaveLength(2)
  expect(window.at(Date.parse('2026-06-16T06:00:30Z'), 10)?.speed).toBeNull()
  expect(window.at(Date.parse('2026-06-16T06:01:30Z'), 10)?.speed).toBe(2)
  expect(window.latest()).toEqual([4, 4])
})
