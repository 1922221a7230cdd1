// One message of the binary live stream, little endian; docs/reference/stream.md draws it.

const MAGIC = 0x4e495754 // "TWIN" read as a little-endian number
const HEADER = 52
const PROTOCOL = 1

export interface Frame {
  kind: 'key' | 'delta'
  sequence: number
  /** The frame that a delta builds on. */
  base: number
  /** 32 hexadecimal digits. */
  mapVersion: string
  eventMs: number
  serverMs: number
  /** Link rows of a delta; null in a key frame, whose values are all the links in order. */
  rows: Uint32Array | null
  values: Uint8Array
}

export class BadFrame extends Error {}

/** Decode one message, or throw BadFrame saying what is wrong with it. */
export function decodeFrame(buffer: ArrayBuffer): Frame {
  if (buffer.byteLength < HEADER) throw new BadFrame(`${buffer.byteLength} bytes, header needs 52`)
  const view = new DataView(buffer)
  if (view.getUint32(0, true) !== MAGIC) throw new BadFrame('not a frame of this stream')
  const protocol = view.getUint8(4)
  if (protocol !== PROTOCOL) throw new BadFrame(`protocol ${protocol}, this console knows 1`)
  const delta = view.getUint8(5) === 1
  const start = view.getUint16(6, true)
  const n = view.getUint32(48, true)
  const needed = start + n * (delta ? 5 : 1)
  if (buffer.byteLength < needed) throw new BadFrame(`${buffer.byteLength} bytes of ${needed}`)
  return {
    kind: delta ? 'delta' : 'key',
    sequence: view.getUint32(8, true),
    base: view.getUint32(12, true),
    mapVersion: hex(new Uint8Array(buffer, 16, 16)),
    eventMs: Number(view.getBigInt64(32, true)) / 1000,
    serverMs: Number(view.getBigInt64(40, true)) / 1000,
    rows: delta ? rowsOf(view, start, n) : null,
    values: new Uint8Array(buffer, delta ? start + 4 * n : start, n),
  }
}

function rowsOf(view: DataView, start: number, n: number): Uint32Array {
  const rows = new Uint32Array(n)
  for (let index = 0; index < n; index++) rows[index] = view.getUint32(start + 4 * index, true)
  return rows
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** The bytes of all links as the frames have told so far. */
export class LinkBytes {
  values = new Uint8Array(0)
  sequence = -1

  /** Take a frame in. Gives the rows that it wrote, or null when a key frame is needed first. */
  apply(frame: Frame): Uint32Array | null {
    if (frame.rows === null) return this.replace(frame)
    if (frame.base !== this.sequence) return null
    for (let index = 0; index < frame.rows.length; index++) {
      this.values[frame.rows[index]!] = frame.values[index]!
    }
    this.sequence = frame.sequence
    return frame.rows
  }

  private replace(frame: Frame): Uint32Array {
    this.values = frame.values.slice()
    this.sequence = frame.sequence
    return Uint32Array.from(this.values.keys())
  }
}
