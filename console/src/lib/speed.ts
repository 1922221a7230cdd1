// Speed classes: one six-step scale by speed ratio (observed / free-flow), and what a link is
// when it has no ratio to show. A class is never called a level of service.

export const STATES = ['A', 'B', 'C', 'D', 'E', 'F', 'stale', 'no_data', 'closed'] as const
export type LinkState = (typeof STATES)[number]
export type SpeedClass = 'A' | 'B' | 'C' | 'D' | 'E' | 'F'

export const CLASSES: readonly SpeedClass[] = ['A', 'B', 'C', 'D', 'E', 'F']
export const STALE = 6
export const NO_DATA = 7
export const CLOSED = 8

export const FILL: Record<LinkState, string> = {
  A: '#4377BC',
  B: '#72BCDD',
  C: '#D3ECC6',
  D: '#FBDD3F',
  E: '#F08A24',
  F: '#E6194B',
  stale: '#8A929B',
  no_data: '#8A929B',
  closed: '#8A929B',
}

export const TEXT_ON_FILL: Record<LinkState, string> = {
  A: '#FFFFFF',
  B: '#0B0E12',
  C: '#0B0E12',
  D: '#0B0E12',
  E: '#0B0E12',
  F: '#FFFFFF',
  stale: '#0B0E12',
  no_data: '#0B0E12',
  closed: '#0B0E12',
}

// Each class reaches from above its bound up to the bound of the class before it.
const LOWER_BOUNDS = [0.85, 0.67, 0.5, 0.4, 0.3]

export const RATIO_RANGE: Record<SpeedClass, string> = {
  A: '> 0.85',
  B: '0.67–0.85',
  C: '0.50–0.67',
  D: '0.40–0.50',
  E: '0.30–0.40',
  F: '≤ 0.30',
}

/** Index into STATES of a ratio; null or NaN is "no data". */
export function stateOfRatio(ratio: number | null | undefined): number {
  if (ratio === null || ratio === undefined || Number.isNaN(ratio)) return NO_DATA
  const found = LOWER_BOUNDS.findIndex((bound) => ratio > bound)
  return found === -1 ? 5 : found
}

const RATIO_STEPS = 200
const BYTE_STALE = 251
const BYTE_CLOSED = 253

/** Index into STATES of one byte of the live stream (ratio x 200, or 251 stale, 252, 253 closed). */
export function stateOfByte(byte: number): number {
  if (byte < BYTE_STALE) return stateOfRatio(byte / RATIO_STEPS)
  if (byte === BYTE_STALE) return STALE
  return byte === BYTE_CLOSED ? CLOSED : NO_DATA
}

/** How many links are in each of STATES. */
export function countStates(bytes: Uint8Array): number[] {
  const counts = STATES.map(() => 0)
  for (const byte of bytes) {
    const state = stateOfByte(byte)
    counts[state] = (counts[state] ?? 0) + 1
  }
  return counts
}

export type Freshness = 'live' | 'delayed' | 'stale' | 'no_data'

/** Word for the age of data that should come every `periodS` seconds. */
export function freshnessOf(ageS: number | null | undefined, periodS: number): Freshness {
  if (ageS === null || ageS === undefined || Number.isNaN(ageS)) return 'no_data'
  if (ageS <= 1.5 * periodS) return 'live'
  return ageS <= 5 * periodS ? 'delayed' : 'stale'
}
