// Ramp meters, signs and gates: what they show, and how one orders something of them.

import type { FeatureCollection } from 'geojson'
import { get, post } from './api'
import type { DecisionView } from './types'

export interface Bounds {
  name: string
  least: number
  most: number
  step: number
}

export interface DeviceAnswer {
  id: string
  kind: 'ramp_meter' | 'sign' | 'gate'
  name: string
  link: string
  longitude: number
  latitude: number
  road: string
  inbound: boolean
  barrier: boolean
  accepts: Bounds[]
  can_close: boolean
  shows: Record<string, string>
  confirmed: boolean
  age_s: number | null
  by: string
  reason: string
  until: string | null
  decision: string
  version: number
}

export interface Order {
  kind: string
  target: string
  command: Record<string, string>
  reason: string
  for_s: number
}

export async function devices(): Promise<DeviceAnswer[]> {
  return (await get<{ devices: DeviceAnswer[] }>('devices')).devices
}

/** Signs and ramp meters as points of the map; gates have a layer of their own. */
export async function devicePoints(): Promise<FeatureCollection> {
  const features = (await devices())
    .filter((one) => one.kind !== 'gate')
    .map((one) => ({
      type: 'Feature' as const,
      geometry: { type: 'Point' as const, coordinates: [one.longitude, one.latitude] },
      properties: { id: one.id, kind: one.kind },
    }))
  return { type: 'FeatureCollection', features }
}

export function send(order: Order): Promise<{ status: number; answer: DecisionView }> {
  return post<DecisionView>('commands', order)
}

/** The commands that a device takes: the name of each, and its bounds if it is a number. */
export function choices(device: DeviceAnswer): { name: string; bounds: Bounds | null }[] {
  if (device.kind === 'gate') {
    if (!device.barrier) return []
    const names = device.can_close ? ['closed', 'open', 'by_rule'] : ['open', 'by_rule']
    return names.map((name) => ({ name, bounds: null }))
  }
  const numbers = device.accepts.map((bounds) => ({ name: bounds.name, bounds }))
  return device.kind === 'sign' ? [...numbers, { name: 'text', bounds: null }] : numbers
}

/** The values that a person may pick of a bounded number. */
export function steps({ least, most, step }: Bounds): number[] {
  return Array.from({ length: Math.floor((most - least) / step) + 1 }, (_, row) => least + row * step)
}
