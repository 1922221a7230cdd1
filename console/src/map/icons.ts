// Small signs for the map, drawn here because nothing is fetched from outside.

import type { Colours } from './style'

const SIZE = 22
const SCALE = 2

type Draw = (pen: CanvasRenderingContext2D, colours: Colours) => void

const gate: Draw = (pen, colours) => {
  pen.beginPath()
  pen.roundRect(2, 2, 18, 18, 4)
  pen.fillStyle = colours.accent
  pen.fill()
  pen.strokeStyle = colours.background
  pen.lineWidth = 2
  pen.stroke()
  pen.beginPath()
  pen.moveTo(7, 16)
  pen.lineTo(7, 7)
  pen.moveTo(7, 10)
  pen.lineTo(16, 7)
  pen.strokeStyle = colours.light ? '#ffffff' : '#0b0e12'
  pen.stroke()
}

const junction: Draw = (pen, colours) => {
  pen.beginPath()
  pen.roundRect(6, 1, 10, 20, 4)
  pen.fillStyle = '#1B2128'
  pen.fill()
  pen.strokeStyle = colours.light ? '#ffffff' : '#A7B1BC'
  pen.lineWidth = 1.5
  pen.stroke()
  for (const [y, colour] of [
    [5.5, '#FF6B81'],
    [11, '#FFE066'],
    [16.5, '#7BD88F'],
  ] as const) {
    pen.beginPath()
    pen.arc(11, y, 2.1, 0, 2 * Math.PI)
    pen.fillStyle = colour
    pen.fill()
  }
}

const incident: Draw = (pen, colours) => {
  pen.beginPath()
  pen.moveTo(11, 2)
  pen.lineTo(21, 20)
  pen.lineTo(1, 20)
  pen.closePath()
  pen.fillStyle = '#FFE066'
  pen.fill()
  pen.strokeStyle = colours.light ? '#1B2128' : colours.background
  pen.lineWidth = 1.5
  pen.stroke()
  pen.fillStyle = '#0B0E12'
  pen.fillRect(10, 8, 2, 6)
  pen.fillRect(10, 15.5, 2, 2)
}

// A panel over the road, and the two lamps of a ramp meter.
const sign: Draw = (pen, colours) => {
  pen.beginPath()
  pen.roundRect(1, 4, 20, 12, 2)
  pen.fillStyle = '#0B0E12'
  pen.fill()
  pen.strokeStyle = colours.light ? '#ffffff' : '#A7B1BC'
  pen.lineWidth = 1.5
  pen.stroke()
  pen.fillStyle = '#FFE066'
  pen.fillRect(5, 7.5, 12, 1.8)
  pen.fillRect(5, 11, 8, 1.8)
}

const meter: Draw = (pen, colours) => {
  pen.beginPath()
  pen.roundRect(6, 3, 10, 16, 4)
  pen.fillStyle = '#1B2128'
  pen.fill()
  pen.strokeStyle = colours.light ? '#ffffff' : '#A7B1BC'
  pen.lineWidth = 1.5
  pen.stroke()
  for (const [y, colour] of [
    [8, '#FF6B81'],
    [14, '#7BD88F'],
  ] as const) {
    pen.beginPath()
    pen.arc(11, y, 2.4, 0, 2 * Math.PI)
    pen.fillStyle = colour
    pen.fill()
  }
}

/** Pixels of every sign in the colours of a theme. */
export function signs(colours: Colours): Record<string, ImageData> {
  const drawn: Record<string, ImageData> = {}
  for (const [name, draw] of Object.entries({ gate, junction, incident, sign, ramp_meter: meter })) {
    const canvas = document.createElement('canvas')
    canvas.width = canvas.height = SIZE * SCALE
    const pen = canvas.getContext('2d')
    if (pen === null) continue
    pen.scale(SCALE, SCALE)
    draw(pen, colours)
    drawn[name] = pen.getImageData(0, 0, canvas.width, canvas.height)
  }
  return drawn
}

export const SIGN_SCALE = SCALE
