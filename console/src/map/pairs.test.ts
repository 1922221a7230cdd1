import { expect, it } from 'vitest'
import { pairings } from './pairs'

const north = [
  [-4.3, 41.6],
  [-4.3, 41.61],
]
const besideBack = [
  [-4.2997, 41.6095],
  [-4.2997, 41.6005],
]
const besideSame = [
  [-4.2997, 41.6],
  [-4.2997, 41.61],
]

it('leaves a one-way street alone', () => {
  expect(pairings([north])).toEqual([0])
  expect(pairings([north, besideSame])).toEqual([0, 0])
})

it('finds the same line in the other direction', () => {
  expect(pairings([north, north.toReversed()])).toEqual([1, 1])
})

it('finds a carriageway 25 m beside, whatever its own length', () => {
  expect(pairings([north, besideBack])).toEqual([2, 2])
})

it('takes no road that crosses or is far away', () => {
  const crossing = [
    [-4.31, 41.605],
    [-4.29, 41.605],
  ]
  const far = besideBack.map(([x, y]) => [x! + 0.001, y!])
  expect(pairings([north, crossing, far])).toEqual([0, 0, 0])
})
