// The drawn map: holds the map library, and speaks of links by row.

import type { FeatureCollection, Position } from 'geojson'
import type { GeoJSONSource, LngLatBoundsLike, Map as LibraryMap } from 'maplibre-gl'
import maplibregl from 'maplibre-gl/dist/maplibre-gl-csp.js'
import workerUrl from 'maplibre-gl/dist/maplibre-gl-csp-worker.js?url'
import type { Links } from '../lib/network.svelte'
import { stateOfByte } from '../lib/speed'
import { pairings } from './pairs'
import { SIGN_SCALE, signs } from './icons'
import { type Colours, mapStyle, SWITCHED } from './style'

maplibregl.setWorkerUrl(workerUrl)

const TOUCH_PX = 6
const PLACES = ['devices-point', 'gates-point']
const PICKED = ['links-class', 'links-unknown', 'links-closed']

export interface MapEvents {
  hover(row: number | null, x: number, y: number): void
  pick(row: number | null): void
  place(id: string): void
  ready(): void
}

export interface View {
  centre: [number, number]
  zoom: number
}

/** One road map on one element of the page. */
export class RoadMap {
  private readonly map: LibraryMap
  private readonly known = new Map<string, FeatureCollection>()
  private lines: Position[][] = []
  private states = new Uint8Array(0)
  private selected: number | null = null
  private visible = new Set<string>()
  private loaded = false

  constructor(
    private readonly element: HTMLElement,
    private colours: Colours,
    bounds: LngLatBoundsLike,
    view: View | null,
    private readonly events: MapEvents,
  ) {
    const start =
      view === null
        ? { bounds, fitBoundsOptions: { padding: room(element) } }
        : { center: view.centre, zoom: view.zoom }
    this.map = new maplibregl.Map({
      container: element,
      style: mapStyle(colours),
      ...start,
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      maxPitch: 0,
      fadeDuration: 0,
      minZoom: 5,
      maxZoom: 19,
    })
    this.map.touchZoomRotate.disableRotation()
    this.map.keyboard.disableRotation()
    this.map.on('load', () => {
      this.loaded = true
      this.dress()
      events.ready()
    })
    this.listen()
  }

  get canvas(): HTMLCanvasElement {
    return this.map.getCanvas()
  }

  /** The drawn links, each told whether another one runs back along it. */
  setLinks(links: Links): void {
    this.lines = links.features.map((link) => link.geometry.coordinates)
    const paired = pairings(this.lines)
    const named = new Set<string>()
    const features = links.features.map((link, row) => {
      const { name, from_node, to_node } = link.properties
      // Of two directions with one name, one carries it.
      const back = `${name} ${to_node} ${from_node}`
      const label = paired[row] === 1 && named.has(back) ? '' : name
      named.add(`${name} ${from_node} ${to_node}`)
      return { ...link, properties: { ...link.properties, paired: paired[row], label } }
    })
    this.states = new Uint8Array(features.length).fill(255)
    this.setData('links', { type: 'FeatureCollection', features })
  }

  setData(source: string, data: FeatureCollection): void {
    this.known.set(source, data)
    if (this.loaded) this.source(source)?.setData(data)
  }

  /** Colour the rows that changed; a link whose class stays the same costs nothing. */
  paint(values: Uint8Array, rows: Uint32Array): void {
    if (!this.loaded) return
    for (const row of rows) {
      const state = stateOfByte(values[row]!)
      if (this.states[row] === state) continue
      this.states[row] = state
      this.map.setFeatureState({ source: 'links', id: row }, { s: state })
    }
  }

  /** What a row is painted as: an index into STATES, or undefined before it was painted. */
  stateOf(row: number): number | undefined {
    const state = this.states[row]
    return state === 255 ? undefined : state
  }

  select(row: number | null): void {
    if (this.loaded && row !== this.selected) {
      if (this.selected !== null) this.mark(this.selected, 0)
      if (row !== null) this.mark(row, 1)
    }
    this.selected = row
  }

  show(layers: ReadonlySet<string>): void {
    this.visible = new Set(layers)
    if (!this.loaded) return
    for (const [name, ids] of Object.entries(SWITCHED)) {
      const visibility = layers.has(name) ? 'visible' : 'none'
      for (const id of ids) this.map.setLayoutProperty(id, 'visibility', visibility)
    }
  }

  /** Draw everything in other colours. */
  recolour(colours: Colours): void {
    this.colours = colours
    if (!this.loaded) return
    this.map.setStyle(mapStyle(colours), { diff: false })
    this.map.once('style.load', () => this.dress())
  }

  fit(bounds: LngLatBoundsLike): void {
    this.map.fitBounds(bounds, { padding: room(this.element), animate: moving() })
  }

  zoom(by: number): void {
    this.map.zoomTo(this.map.getZoom() + by, { animate: moving() })
  }

  goTo(points: Position[], zoom?: number): void {
    const bounds = new maplibregl.LngLatBounds()
    for (const point of points) bounds.extend([point[0]!, point[1]!])
    if (bounds.isEmpty()) return
    const inside = this.map.getBounds()
    if (zoom === undefined && points.every((p) => inside.contains([p[0]!, p[1]!]))) return
    const options = { center: bounds.getCenter(), zoom: zoom ?? this.map.getZoom() }
    if (moving()) this.map.easeTo({ ...options, duration: 300 })
    else this.map.jumpTo(options)
  }

  /** Rows of the links that lie in the view, in the order of the map. */
  inView(): number[] {
    const bounds = this.map.getBounds()
    const inside = (point: Position): boolean => bounds.contains([point[0]!, point[1]!])
    return this.lines.flatMap((line, row) => (line.some(inside) ? [row] : []))
  }

  view(): View {
    const centre = this.map.getCenter()
    return { centre: [centre.lng, centre.lat], zoom: this.map.getZoom() }
  }

  onMoved(listener: () => void): void {
    this.map.on('moveend', listener)
  }

  remove(): void {
    this.map.remove()
  }

  private dress(): void {
    for (const [name, image] of Object.entries(signs(this.colours))) {
      if (!this.map.hasImage(name)) this.map.addImage(name, image, { pixelRatio: SIGN_SCALE })
    }
    for (const [source, data] of this.known) this.source(source)?.setData(data)
    this.show(this.visible)
    this.states.forEach((state, row) => {
      if (state !== 255) this.map.setFeatureState({ source: 'links', id: row }, { s: state })
    })
    if (this.selected !== null) this.mark(this.selected, 1)
  }

  private mark(row: number, on: number): void {
    this.map.setFeatureState({ source: 'links', id: row }, { on })
  }

  private source(id: string): GeoJSONSource | undefined {
    return this.map.getSource<GeoJSONSource>(id)
  }

  private rowAt(x: number, y: number): number | null {
    if (!this.loaded) return null
    const box: [[number, number], [number, number]] = [
      [x - TOUCH_PX, y - TOUCH_PX],
      [x + TOUCH_PX, y + TOUCH_PX],
    ]
    const layers = PICKED.filter((id) => this.map.getLayer(id) !== undefined)
    const found = this.map.queryRenderedFeatures(box, { layers })[0]
    return found === undefined ? null : Number(found.id)
  }

  private placeAt(x: number, y: number): string | null {
    if (!this.loaded) return null
    const layers = PLACES.filter((id) => this.map.getLayer(id) !== undefined)
    const found = this.map.queryRenderedFeatures([x, y], { layers })[0]
    return found === undefined ? null : String(found.properties.id)
  }

  private listen(): void {
    this.map.on('mousemove', ({ point }) => {
      const place = this.placeAt(point.x, point.y)
      const row = place === null ? this.rowAt(point.x, point.y) : null
      this.canvas.style.cursor = row === null && place === null ? '' : 'pointer'
      this.events.hover(row, point.x, point.y)
    })
    this.map.on('mouseout', () => this.events.hover(null, 0, 0))
    this.map.on('click', ({ point }) => {
      const place = this.placeAt(point.x, point.y)
      if (place !== null) this.events.place(place)
      else this.events.pick(this.rowAt(point.x, point.y))
    })
    const size = new ResizeObserver(() => this.map.resize())
    size.observe(this.element)
    this.map.on('remove', () => size.disconnect())
  }
}

// What the legend and the buttons cover, so that the whole map stands beside them.
function room(element: HTMLElement): { top: number; bottom: number; left: number; right: number } {
  const wide = element.clientWidth > 700
  return { top: 40, bottom: 40, left: wide ? 220 : 40, right: wide ? 90 : 40 }
}

function moving(): boolean {
  return !matchMedia('(prefers-reduced-motion: reduce)').matches
}
