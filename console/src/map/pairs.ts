// Which links have another one running back beside them, so that both can be drawn apart.

import type { Position } from 'geojson'

/** 0 alone, 1 the same line in the other direction, 2 a carriageway beside it. */
export type Pairing = 0 | 1 | 2

const NEAR_M = 45
const BACK = -0.9 // cosine of the angle between two directions that count as opposite
const METERS_PER_DEGREE = 111_320

interface Piece {
  row: number
  x: number
  y: number
  east: number
  north: number
}

/** Pairing of every line by row. */
export function pairings(lines: Position[][]): Pairing[] {
  const ends = new Set(lines.map((line) => endsOf(line)))
  const cells = new Map<string, Piece[]>()
  const pieces = lines.flatMap((line, row) => piecesOf(line, row))
  for (const piece of pieces) {
    const key = cellOf(piece.x, piece.y)
    const cell = cells.get(key)
    if (cell === undefined) cells.set(key, [piece])
    else cell.push(piece)
  }
  const found = lines.map((line): Pairing => (ends.has(endsOf(line.toReversed())) ? 1 : 0))
  for (const piece of pieces) {
    if (found[piece.row] === 0 && hasOpposite(piece, cells)) found[piece.row] = 2
  }
  return found
}

function piecesOf(line: Position[], row: number): Piece[] {
  const pieces: Piece[] = []
  for (let index = 1; index < line.length; index++) {
    const [a, b] = [meters(line[index - 1]!), meters(line[index]!)]
    const length = Math.hypot(b.x - a.x, b.y - a.y)
    if (length === 0) continue
    const [east, north] = [(b.x - a.x) / length, (b.y - a.y) / length]
    const parts = Math.ceil(length / NEAR_M)
    for (let part = 0; part < parts; part++) {
      const share = (part + 0.5) / parts
      pieces.push({ row, x: a.x + (b.x - a.x) * share, y: a.y + (b.y - a.y) * share, east, north })
    }
  }
  return pieces
}

function meters(point: Position): { x: number; y: number } {
  const north = point[1]! * METERS_PER_DEGREE
  return { x: point[0]! * METERS_PER_DEGREE * Math.cos((point[1]! * Math.PI) / 180), y: north }
}

function cellOf(x: number, y: number): string {
  return `${Math.floor(x / NEAR_M)} ${Math.floor(y / NEAR_M)}`
}

function hasOpposite(piece: Piece, cells: Map<string, Piece[]>): boolean {
  for (const dx of [-NEAR_M, 0, NEAR_M]) {
    for (const dy of [-NEAR_M, 0, NEAR_M]) {
      const near = cells.get(cellOf(piece.x + dx, piece.y + dy)) ?? []
      if (near.some((other) => opposite(piece, other))) return true
    }
  }
  return false
}

function opposite(a: Piece, b: Piece): boolean {
  if (Math.hypot(a.x - b.x, a.y - b.y) > NEAR_M) return false
  return a.east * b.east + a.north * b.north < BACK
}

function endsOf(line: Position[]): string {
  return [line[0], line.at(-1)]
    .map((point) => (point === undefined ? '' : `${point[0]!.toFixed(6)},${point[1]!.toFixed(6)}`))
    .join(' ')
}
