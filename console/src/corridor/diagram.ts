// Draws the time-space diagram: distance upwards, time to the right, forecast hatched after now.

import { FILL, STATES, stateOfRatio } from '../lib/speed'
import type { CorridorAnswer, Maybe } from '../lib/types'
import { cellColour, MINUTE_MS, type Window } from './raster'

export interface Paper {
  width: number
  height: number
  left: number
  right: number
  top: number
  bottom: number
}

export interface Ink {
  background: string
  panel: string
  text: string
  muted: string
  line: string
  accent: string
}

export interface Labels {
  minute(ms: number): string
  km(meters: number): string
  now: string
  forecast: string
}

const STRIP_PX = 14
const LABEL_PX = 17
const KM_PX = 66 // "km 120.00" and a gap
const STRIP_GAP = 4
const FONT = '12px system-ui, sans-serif'

/** Where the plot lies on a canvas of a size; names of the junctions stand left of it. */
export function paperOf(width: number, height: number, names: string[]): Paper {
  const longest = Math.max(0, ...names.map((name) => name.length))
  const left = 46 + KM_PX + Math.min(longest * 7, width * 0.14)
  return { width, height, left, right: 16, top: 24, bottom: 30 }
}

/** Choose the places that are written, none on another: those with a name come first. */
export function spaced<P extends { name: string; y: number }>(places: P[]): P[] {
  const written: P[] = []
  for (const place of [...places.filter((p) => p.name !== ''), ...places]) {
    if (written.every((other) => Math.abs(other.y - place.y) >= LABEL_PX)) written.push(place)
  }
  return written
}

/** The picture, and the two ways between it and the road. */
export class Diagram {
  private readonly raster = document.createElement('canvas')
  private rasterEnd = 0

  constructor(
    private readonly window: Window,
    private readonly forecastMinutes: number,
  ) {}

  get fromMs(): number {
    return this.window.startMs
  }

  get toMs(): number {
    return this.window.endMs + this.forecastMinutes * MINUTE_MS
  }

  x(paper: Paper, ms: number): number {
    const share = (ms - this.fromMs) / (this.toMs - this.fromMs)
    return paper.left + share * (paper.width - paper.left - paper.right)
  }

  y(paper: Paper, meters: number): number {
    const span = paper.height - paper.top - paper.bottom
    return paper.top + (1 - meters / Math.max(1, this.window.lengthM)) * span
  }

  /** Moment and place under a point of the canvas, or null outside the plot. */
  place(paper: Paper, x: number, y: number): { ms: number; meters: number } | null {
    const right = paper.width - paper.right
    const low = paper.height - paper.bottom
    if (x < paper.left || x > right || y < paper.top || y > low) return null
    const share = (x - paper.left) / (right - paper.left)
    const up = (low - y) / (low - paper.top)
    return { ms: this.fromMs + share * (this.toMs - this.fromMs), meters: up * this.window.lengthM }
  }

  /** Bring the raster up to date: all of it at first, afterwards only the minutes that changed. */
  update(fresh: number[]): void {
    const { minutes, cells, endMs, stepMs } = this.window
    const wanted = minutes
    if (this.raster.width !== wanted || this.raster.height !== cells.length) {
      this.raster.width = wanted
      this.raster.height = Math.max(1, cells.length)
      this.rasterEnd = endMs
    }
    const pen = this.raster.getContext('2d')
    if (pen === null) return
    const moved = Math.round((endMs - this.rasterEnd) / stepMs)
    if (moved > 0) {
      pen.globalCompositeOperation = 'copy'
      pen.drawImage(this.raster, -moved, 0)
      pen.globalCompositeOperation = 'source-over'
    }
    this.rasterEnd = endMs
    for (const at of fresh) this.drawMinute(pen, at)
  }

  private drawMinute(pen: CanvasRenderingContext2D, at: number): void {
    const { cells, minutes, endMs, stepMs } = this.window
    const x = minutes - Math.round((endMs - at) / stepMs)
    const speeds = this.window.column(at) ?? []
    pen.clearRect(x, 0, 1, cells.length)
    cells.forEach((cell, index) => {
      const colour = cellColour(speeds[index] ?? null, cell.free_speed_kph)
      if (colour === null) return
      pen.fillStyle = colour
      pen.fillRect(x, cells.length - 1 - index, 1, 1)
    })
  }

  /** Draw everything but the crosshair. */
  draw(
    pen: CanvasRenderingContext2D,
    paper: Paper,
    ink: Ink,
    corridor: CorridorAnswer,
    states: number[],
    labels: Labels,
  ): void {
    pen.clearRect(0, 0, paper.width, paper.height)
    pen.font = FONT
    this.drawGround(pen, paper, ink)
    this.drawCells(pen, paper)
    this.drawForecast(pen, paper, ink)
    this.drawTimes(pen, paper, ink, labels)
    this.drawStrip(pen, paper, ink, corridor, states, labels)
    this.drawNow(pen, paper, ink, labels)
  }

  private drawGround(pen: CanvasRenderingContext2D, paper: Paper, ink: Ink): void {
    const { left, top } = paper
    const width = paper.width - left - paper.right
    const height = paper.height - top - paper.bottom
    pen.fillStyle = ink.panel
    pen.fillRect(left, top, width, height)
    hatch(pen, left, top, width, height, FILL.no_data, 0.35, 7)
  }

  // A cell of the raster is one link; it is stretched to the link's own length on the paper.
  private drawCells(pen: CanvasRenderingContext2D, paper: Paper): void {
    const { cells, minutes, endMs } = this.window
    const x0 = this.x(paper, this.fromMs)
    const x1 = this.x(paper, endMs)
    pen.imageSmoothingEnabled = false
    cells.forEach((cell, index) => {
      const y0 = Math.round(this.y(paper, cell.end_m))
      const y1 = Math.round(this.y(paper, cell.start_m))
      const row = cells.length - 1 - index
      pen.drawImage(this.raster, 0, row, minutes, 1, x0, y0, x1 - x0, y1 - y0)
    })
  }

  private drawForecast(pen: CanvasRenderingContext2D, paper: Paper, ink: Ink): void {
    const { forecast, cells, endMs } = this.window
    if (forecast === null) return
    const start = Date.parse(forecast.start)
    const stepMs = forecast.step_s * 1000
    forecast.speed_kph.forEach((speeds, step) => {
      const x0 = this.x(paper, Math.max(endMs, start + step * stepMs))
      const x1 = Math.min(this.x(paper, start + (step + 1) * stepMs), paper.width - paper.right)
      if (x1 <= x0) return
      cells.forEach((cell, index) => {
        this.drawForecastCell(pen, paper, speeds[index] ?? null, cell, x0, x1)
      })
    })
    const x0 = this.x(paper, endMs)
    const end = this.x(paper, start + forecast.speed_kph.length * stepMs)
    const width = Math.min(end, paper.width - paper.right) - x0
    const height = paper.height - paper.top - paper.bottom
    if (width > 0) hatch(pen, x0, paper.top, width, height, ink.background, 0.5, 6)
  }

  private drawForecastCell(
    pen: CanvasRenderingContext2D,
    paper: Paper,
    speed: Maybe<number>,
    cell: { start_m: number; end_m: number; free_speed_kph: number },
    x0: number,
    x1: number,
  ): void {
    const colour = cellColour(speed, cell.free_speed_kph)
    if (colour === null) return
    const y0 = Math.round(this.y(paper, cell.end_m))
    const y1 = Math.round(this.y(paper, cell.start_m))
    pen.fillStyle = colour
    pen.fillRect(Math.floor(x0), y0, Math.ceil(x1) - Math.floor(x0), y1 - y0)
  }

  private drawTimes(pen: CanvasRenderingContext2D, paper: Paper, ink: Ink, labels: Labels): void {
    const spanMin = (this.toMs - this.fromMs) / MINUTE_MS
    const every = spanMin > 900 ? 180 : spanMin > 300 ? 60 : 15
    const stepMs = every * MINUTE_MS
    pen.textAlign = 'center'
    pen.textBaseline = 'top'
    for (let ms = Math.ceil(this.fromMs / stepMs) * stepMs; ms <= this.toMs; ms += stepMs) {
      const x = Math.round(this.x(paper, ms)) + 0.5
      pen.fillStyle = ink.muted
      pen.fillRect(x - 0.5, paper.height - paper.bottom, 1, 5)
      pen.fillText(labels.minute(ms), Math.min(x, paper.width - 20), paper.height - paper.bottom + 9)
    }
  }

  private drawStrip(
    pen: CanvasRenderingContext2D,
    paper: Paper,
    ink: Ink,
    corridor: CorridorAnswer,
    states: number[],
    labels: Labels,
  ): void {
    const x = paper.left - STRIP_PX - STRIP_GAP
    corridor.links.forEach((link, index) => {
      const y0 = this.y(paper, link.end_m)
      const y1 = this.y(paper, link.start_m)
      const name = STATES[states[index] ?? 7] ?? 'no_data'
      pen.fillStyle = FILL[name]
      if (name.length === 1) pen.fillRect(x, y0 + 0.5, STRIP_PX, y1 - y0 - 1)
      else hatch(pen, x, y0 + 0.5, STRIP_PX, y1 - y0 - 1, FILL.no_data, 1, 6)
    })
    this.drawPlaces(pen, paper, ink, corridor, labels, x)
  }

  private drawPlaces(
    pen: CanvasRenderingContext2D,
    paper: Paper,
    ink: Ink,
    corridor: CorridorAnswer,
    labels: Labels,
    x: number,
  ): void {
    pen.textBaseline = 'middle'
    pen.textAlign = 'right'
    const places = corridor.nodes.map((node) => ({ ...node, y: this.y(paper, node.at_m) }))
    const written = new Set(spaced(places))
    for (const node of places) {
      const { y } = node
      const named = node.name !== ''
      pen.fillStyle = named ? ink.text : ink.muted
      pen.fillRect(x - 4, Math.round(y), 4, 1)
      if (!written.has(node)) continue
      const label = named ? clip(pen, node.name, x - KM_PX - 18) : ''
      if (label !== '') pen.fillText(label, x - 8 - KM_PX, y)
      pen.fillStyle = ink.muted
      pen.fillText(labels.km(node.at_m), x - 8, y)
    }
  }

  private drawNow(pen: CanvasRenderingContext2D, paper: Paper, ink: Ink, labels: Labels): void {
    const x = Math.round(this.x(paper, this.window.endMs)) + 0.5
    pen.strokeStyle = ink.background
    pen.lineWidth = 4
    pen.beginPath()
    pen.moveTo(x, paper.top)
    pen.lineTo(x, paper.height - paper.bottom)
    pen.stroke()
    pen.strokeStyle = ink.text
    pen.lineWidth = 1.5
    pen.setLineDash([5, 4])
    pen.stroke()
    pen.setLineDash([])
    pen.fillStyle = ink.text
    pen.textBaseline = 'bottom'
    pen.textAlign = 'right'
    pen.fillText(labels.now, x - 4, paper.top - 6)
    if (this.window.forecast !== null) {
      pen.fillStyle = ink.muted
      pen.textAlign = 'left'
      pen.fillText(labels.forecast, x + 6, paper.top - 6)
    }
  }
}

/** Classes of the strip's links from what the stream or the last minute says. */
export function stripStates(speeds: Maybe<number>[], free: number[]): number[] {
  return speeds.map((speed, index) => stateOfRatio(speed === null ? null : speed / (free[index] ?? 1)))
}

function hatch(
  pen: CanvasRenderingContext2D,
  x: number,
  y: number,
  width: number,
  height: number,
  colour: string,
  alpha: number,
  gap: number,
): void {
  if (width <= 0 || height <= 0) return
  pen.save()
  pen.beginPath()
  pen.rect(x, y, width, height)
  pen.clip()
  pen.globalAlpha = alpha
  pen.strokeStyle = colour
  pen.lineWidth = 1.4
  pen.beginPath()
  for (let start = x - height; start < x + width; start += gap) {
    pen.moveTo(start, y + height)
    pen.lineTo(start + height, y)
  }
  pen.stroke()
  pen.restore()
}

function clip(pen: CanvasRenderingContext2D, text: string, most: number): string {
  if (pen.measureText(text).width <= most) return text
  let end = text.length
  while (end > 1 && pen.measureText(`${text.slice(0, end)}…`).width > most) end--
  return end > 1 ? `${text.slice(0, end)}…` : ''
}
