// The layers of the map: roads coloured by speed class, and the things beside them.
// Feature-state `s` of a link is an index into STATES; `on` is 1 for the selected link.

import type { FeatureCollection } from 'geojson'
import type { ExpressionSpecification, LayerSpecification, StyleSpecification } from 'maplibre-gl'
import { CLASSES, CLOSED, FILL, NO_DATA, STALE } from '../lib/speed'

export const CASING = '#1B2128'
const GREY = FILL.no_data
const RAIL = '#8A7FA8'
const LAND = { planning_area: '#7A8794', land_use: '#5E8B6A' } as const

export interface Colours {
  background: string
  text: string
  muted: string
  accent: string
  focus: string
  panel: string
  light: boolean
}

const state: ExpressionSpecification = ['coalesce', ['feature-state', 's'], NO_DATA]
const is = (value: number): ExpressionSpecification => ['==', state, value]

const classColour: ExpressionSpecification = [
  'match',
  state,
  ...CLASSES.flatMap((letter, index) => [index, FILL[letter]]),
  GREY,
] as unknown as ExpressionSpecification

// E and F are drawn 40 % wider.
const emphasis: ExpressionSpecification = ['case', ['any', is(4), is(5)], 1.4, 1]

// Width in pixels by kind of road at zoom levels; roads grow as one comes closer.
const rank = (big: number, middle: number, small: number): ExpressionSpecification => [
  'match',
  ['get', 'class'],
  'motorway',
  big,
  ['arterial', 'ramp'],
  middle,
  small,
]
const STOPS: [zoom: number, big: number, middle: number, small: number][] = [
  [10, 1.8, 1.1, 0.7],
  [12, 6, 3.6, 2.2],
  [14, 10, 7, 4.5],
  [17, 20, 15, 10],
]

type At = (width: ExpressionSpecification, zoom: number) => ExpressionSpecification

function byZoom(at: At): ExpressionSpecification {
  const stops = STOPS.flatMap(([zoom, ...widths]) => [zoom, at(rank(...widths), zoom)])
  return ['interpolate', ['exponential', 1.4], ['zoom'], ...stops] as ExpressionSpecification
}

const width = (extra: number): ExpressionSpecification =>
  byZoom((own) => ['+', ['*', own, emphasis], extra])

// To the right of its direction, so that both carriageways show where they share a line.
// A carriageway with a line of its own needs that only from afar.
const offset = byZoom((own, zoom) => [
  'match',
  ['get', 'paired'],
  1,
  ['*', own, 0.72],
  2,
  ['*', own, zoom < 14 ? 0.72 : zoom < 17 ? 0.35 : 0],
  0,
])

const signSize: ExpressionSpecification = ['interpolate', ['linear'], ['zoom'], 12, 0.65, 15, 1.1]

const round = { 'line-cap': 'round', 'line-join': 'round' } as const
const butt = { 'line-cap': 'butt', 'line-join': 'round' } as const

function roads(colours: Colours): LayerSpecification[] {
  const source = 'links'
  const closedColour = colours.text
  return [
    {
      id: 'links-selected',
      type: 'line',
      source,
      layout: round,
      paint: {
        'line-color': colours.light ? colours.focus : colours.text,
        'line-width': width(7),
        'line-offset': offset,
        'line-opacity': ['case', ['==', ['feature-state', 'on'], 1], 1, 0],
      },
    },
    {
      id: 'links-casing',
      type: 'line',
      source,
      layout: butt,
      paint: {
        'line-color': CASING,
        'line-width': width(2),
        'line-offset': offset,
        'line-opacity': ['case', ['any', is(STALE), is(NO_DATA), is(CLOSED)], 0, colours.light ? 1 : 0],
      },
    },
    {
      id: 'links-class',
      type: 'line',
      source,
      layout: butt,
      paint: {
        'line-color': classColour,
        'line-width': width(0),
        'line-offset': offset,
        'line-opacity': ['case', ['any', is(STALE), is(NO_DATA), is(CLOSED)], 0, 1],
      },
    },
    {
      id: 'links-unknown',
      type: 'line',
      source,
      layout: butt,
      paint: {
        'line-color': GREY,
        'line-width': byZoom((own) => ['*', own, 0.7]),
        'line-offset': offset,
        'line-dasharray': [2, 1.6],
        'line-opacity': ['case', ['any', is(STALE), is(NO_DATA)], 1, 0],
      },
    },
    {
      id: 'links-closed',
      type: 'line',
      source,
      layout: butt,
      paint: {
        'line-color': closedColour,
        'line-width': width(0),
        'line-offset': offset,
        'line-dasharray': [0.35, 0.35],
        'line-opacity': ['case', is(CLOSED), 1, 0],
      },
    },
  ]
}

function under(colours: Colours): LayerSpecification[] {
  return [
    {
      id: 'features-area',
      type: 'fill',
      source: 'features',
      filter: ['==', ['geometry-type'], 'Polygon'],
      paint: {
        'fill-color': ['match', ['get', 'layer'], 'land_use', LAND.land_use, LAND.planning_area],
        'fill-opacity': colours.light ? 0.16 : 0.2,
      },
    },
    {
      id: 'features-line',
      type: 'line',
      source: 'features',
      filter: ['==', ['geometry-type'], 'LineString'],
      layout: butt,
      paint: {
        'line-color': RAIL,
        'line-width': ['interpolate', ['linear'], ['zoom'], 11, 1, 16, 3],
        'line-dasharray': [4, 1.5],
      },
    },
    {
      id: 'zones-area',
      type: 'fill',
      source: 'zones',
      filter: ['all', ['==', ['geometry-type'], 'Polygon'], ['!=', ['get', 'kind'], 'trips']],
      paint: { 'fill-color': colours.accent, 'fill-opacity': 0.12 },
    },
    {
      id: 'zones-border',
      type: 'line',
      source: 'zones',
      filter: ['!=', ['get', 'kind'], 'trips'],
      paint: { 'line-color': colours.accent, 'line-width': 1.5, 'line-dasharray': [3, 2] },
    },
  ]
}

function text(colours: Colours): Record<string, unknown> {
  return {
    'text-color': colours.text,
    'text-halo-color': colours.background,
    'text-halo-width': 1.6,
  }
}

function points(colours: Colours): LayerSpecification[] {
  return [
    {
      id: 'sensors-point',
      type: 'circle',
      source: 'sensors',
      paint: {
        'circle-radius': ['interpolate', ['linear'], ['zoom'], 10, 1.5, 15, 5],
        'circle-color': colours.background,
        'circle-stroke-color': colours.text,
        'circle-stroke-width': 1.5,
      },
    },
    {
      id: 'junctions-point',
      type: 'symbol',
      source: 'junctions',
      layout: { 'icon-image': 'junction', 'icon-allow-overlap': true, 'icon-size': signSize },
    },
    {
      id: 'gates-point',
      type: 'symbol',
      source: 'gates',
      layout: { 'icon-image': 'gate', 'icon-allow-overlap': true, 'icon-size': signSize },
    },
    {
      id: 'devices-point',
      type: 'symbol',
      source: 'devices',
      minzoom: 11,
      layout: { 'icon-image': ['get', 'kind'], 'icon-allow-overlap': true, 'icon-size': signSize },
    },
    {
      id: 'incidents-point',
      type: 'symbol',
      source: 'incidents',
      layout: { 'icon-image': 'incident', 'icon-allow-overlap': true, 'icon-size': 1.1 },
    },
    {
      id: 'roads-name',
      type: 'symbol',
      source: 'links',
      minzoom: 12,
      filter: ['!=', ['get', 'label'], ''],
      layout: {
        'symbol-placement': 'line',
        'symbol-spacing': 420,
        'text-field': ['get', 'label'],
        'text-max-angle': 30,
        'text-font': ['sans-serif'],
        'text-size': 12,
        'text-offset': [0, 1.5],
        'text-padding': 8,
      },
      paint: text(colours),
    },
    {
      id: 'junctions-name',
      type: 'symbol',
      source: 'junctions',
      minzoom: 12.5,
      layout: {
        'text-field': ['coalesce', ['get', 'name'], ['get', 'id']],
        'text-font': ['sans-serif'],
        'text-size': 12,
        'text-offset': [0, 1.4],
        'text-anchor': 'top',
        'text-optional': true,
      },
      paint: text(colours),
    },
  ]
}

/** Which style layers each layer of the panel switches. */
export const SWITCHED: Record<string, string[]> = {
  sensors: ['sensors-point'],
  junctions: ['junctions-point', 'junctions-name'],
  gates: ['gates-point'],
  devices: ['devices-point'],
  zones: ['zones-area', 'zones-border'],
  features: ['features-area', 'features-line'],
  incidents: ['incidents-point'],
  names: ['roads-name'],
}

const EMPTY: FeatureCollection = { type: 'FeatureCollection', features: [] }

/** The whole style; sources begin empty and are filled as they arrive. */
export function mapStyle(colours: Colours): StyleSpecification {
  const source = () => ({ type: 'geojson', data: EMPTY }) as const
  return {
    version: 8,
    sources: {
      links: { type: 'geojson', data: EMPTY, promoteId: 'row' },
      ...Object.fromEntries(
        ['sensors', 'junctions', 'gates', 'zones', 'features', 'incidents', 'devices'].map((id) => [id, source()]),
      ),
    },
    layers: [
      { id: 'background', type: 'background', paint: { 'background-color': colours.background } },
      ...under(colours),
      ...roads(colours),
      ...points(colours),
    ],
  }
}
