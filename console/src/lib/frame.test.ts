import { describe, expect, it } from 'vitest'
import { BadFrame, decodeFrame, LinkBytes } from './frame'

interface Parts {
  kind?: number
  sequence?: number
  base?: number
  rows?: number[]
  values?: number[]
  protocol?: number
  magic?: string
}

function frame(parts: Parts): ArrayBuffer {
  const { kind = 0, sequence = 1, base = 0, rows = [], values = [] } = parts
  const buffer = new ArrayBuffer(52 + 4 * rows.length + values.length)
  const view = new DataView(buffer)
  const bytes = new Uint8Array(buffer)
  bytes.set(new TextEncoder().encode(parts.magic ?? 'TWIN'))
  view.setUint8(4, parts.protocol ?? 1)
  view.setUint8(5, kind)
  view.setUint16(6, 52, true)
  view.setUint32(8, sequence, true)
  view.setUint32(12, base, true)
  bytes.set(
    Array.from({ length: 16 }, (_, index) => index * 16 + 15),
    16,
  )
  view.setBigInt64(32, 1_781_589_600_000_000n, true)
  view.setBigInt64(40, 1_781_589_601_500_000n, true)
  view.setUint32(48, values.length, true)
  rows.forEach((row, index) => view.setUint32(52 + 4 * index, row, true))
  bytes.set(values, 52 + 4 * rows.length)
  return buffer
}

describe('decodeFrame', () => {
  it('reads a key frame: every link in order, and the header', () => {
    const decoded = decodeFrame(frame({ sequence: 4_000_000_000, values: [0, 200, 251, 252, 253] }))
    expect(decoded.kind).toBe('key')
    expect(decoded.sequence).toBe(4_000_000_000)
    expect(decoded.rows).toBeNull()
    expect([...decoded.values]).toEqual([0, 200, 251, 252, 253])
    expect(decoded.mapVersion).toBe('0f1f2f3f4f5f6f7f8f9fafbfcfdfefff')
    expect(decoded.eventMs).toBe(1_781_589_600_000)
    expect(decoded.serverMs).toBe(1_781_589_601_500)
  })

  it('reads a delta: rows, then their values', () => {
    const decoded = decodeFrame(frame({ kind: 1, base: 7, rows: [3, 70_000], values: [9, 252] }))
    expect(decoded.base).toBe(7)
    expect([...(decoded.rows ?? [])]).toEqual([3, 70_000])
    expect([...decoded.values]).toEqual([9, 252])
  })

  it.each([
    ['a short header', new ArrayBuffer(51)],
    ['another magic', frame({ magic: 'NIWT' })],
    ['another protocol', frame({ protocol: 2 })],
    ['fewer bytes than told', frame({ values: [1, 2, 3] }).slice(0, 54)],
    ['a delta cut in its values', frame({ kind: 1, rows: [1, 2], values: [1, 2] }).slice(0, 61)],
  ])('refuses %s', (_, bytes) => {
    expect(() => decodeFrame(bytes)).toThrow(BadFrame)
  })
})

describe('LinkBytes', () => {
  it('builds deltas on the frame before, and refuses them after a gap', () => {
    const links = new LinkBytes()
    expect(links.apply(decodeFrame(frame({ kind: 1, base: 1, rows: [0], values: [5] })))).toBeNull()
    links.apply(decodeFrame(frame({ sequence: 10, values: [1, 2, 3] })))
    const next = frame({ kind: 1, sequence: 11, base: 10, rows: [2], values: [30] })
    expect([...(links.apply(decodeFrame(next)) ?? [])]).toEqual([2])
    expect([...links.values]).toEqual([1, 2, 30])
    const gap = frame({ kind: 1, sequence: 13, base: 12, rows: [0], values: [99] })
    expect(links.apply(decodeFrame(gap))).toBeNull()
    expect([...links.values]).toEqual([1, 2, 30])
  })
})
