import { describe, expect, it } from 'vitest'
import { spaced } from './diagram'

describe('the places written along the road', () => {
  const names = (places: { name: string; y: number }[]) => spaced(places).map((p) => p.name)

  it('writes none on another, and a named one before its neighbours without a name', () => {
    const places = [
      { name: '', y: 100 },
      { name: 'Molinos', y: 90 },
      { name: '', y: 60 },
      { name: 'Viaducto', y: 80 },
    ]
    expect(names(places)).toEqual(['Molinos', ''])
  })

  it('writes all where there is room', () => {
    const places = [0, 17, 34].map((y) => ({ name: `n${y}`, y }))
    expect(spaced(places)).toHaveLength(3)
  })
})
