import { describe, expect, it } from 'vitest'
import { countStates, freshnessOf, STATES, stateOfByte, stateOfRatio } from './speed'

const name = (state: number): string | undefined => STATES[state]

describe('speed classes', () => {
  it.each([
    [1.2, 'A'],
    [0.851, 'A'],
    [0.85, 'B'],
    [0.67, 'C'],
    [0.5, 'D'],
    [0.4, 'E'],
    [0.3, 'F'],
    [0, 'F'],
    [null, 'no_data'],
    [Number.NaN, 'no_data'],
  ])('ratio %s is %s: a ratio on a bound belongs to the slower class', (ratio, wanted) => {
    expect(name(stateOfRatio(ratio))).toBe(wanted)
  })

  it.each([
    [250, 'A'],
    [171, 'A'],
    [170, 'B'],
    [60, 'F'],
    [251, 'stale'],
    [252, 'no_data'],
    [253, 'closed'],
    [254, 'no_data'],
  ])('byte %i is %s', (byte, wanted) => {
    expect(name(stateOfByte(byte))).toBe(wanted)
  })

  it('counts every link once', () => {
    const counts = countStates(Uint8Array.from([250, 250, 0, 251, 253]))
    expect(counts).toEqual([2, 0, 0, 0, 0, 1, 1, 0, 1])
  })
})

describe('freshness', () => {
  it.each([
    [90, 'live'],
    [91, 'delayed'],
    [300, 'delayed'],
    [301, 'stale'],
    [null, 'no_data'],
  ] as const)('an age of %s s with a period of 60 s is %s', (age, wanted) => {
    expect(freshnessOf(age, 60)).toBe(wanted)
  })
})
