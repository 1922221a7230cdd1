// Which way a line runs, for people.

import type { Position } from 'geojson'

const WORDS = ['n', 'ne', 'e', 'se', 's', 'sw', 'w', 'nw'] as const
export type Bearing = (typeof WORDS)[number]

/** Compass word from the first point of a line to its last. */
export function bearingWord(line: Position[]): Bearing {
  const from = line[0]
  const to = line.at(-1)
  if (from === undefined || to === undefined) return 'n'
  const middle = ((from[1]! + to[1]!) / 2) * (Math.PI / 180)
  const east = (to[0]! - from[0]!) * Math.cos(middle)
  const north = to[1]! - from[1]!
  const turn = Math.round(Math.atan2(east, north) / (Math.PI / 4))
  return WORDS[(turn + 8) % 8] ?? 'n'
}
