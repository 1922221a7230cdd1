// What the service answers, as this console reads it. Times are RFC 3339, speeds km/h,
// flows veh/h, densities veh/km; null is "not known".

import type { Freshness, LinkState } from './speed'

export type Maybe<T> = T | null

export interface Me {
  name: string
  role: string
}

export interface ClockAnswer {
  now: string
  timezone: string
  rate: number
  mode: string
  note: string
}

export interface NetworkAnswer {
  version: string
  name: string
  timezone: string
  bounds: [number, number, number, number]
  counts: Record<string, number>
  quality: Record<string, number>
  layers: Record<string, { href: string; count: number }>
  corridors: string[]
}

export interface LinkProperties {
  row: number
  id: string
  name: string
  road: string
  class: string
  lanes: number
  free_speed_kph: number
  length_m: number
  capacity_vph: Maybe<number>
  from_node: string
  to_node: string
  authority: string
  guessed: string[]
}

export interface PictureLink {
  row: number
  id: string
  speed_kph: Maybe<number>
  speed_sd_kph: Maybe<number>
  flow_vph: Maybe<number>
  flow_sd_vph: Maybe<number>
  density_vpkm: Maybe<number>
  density_sd_vpkm: Maybe<number>
  ratio: Maybe<number>
  class: Maybe<string>
  source: string
  freshness: Freshness
  age_s: Maybe<number>
  closed: boolean
  made_from: string[]
  detectors: number
}

export interface SignalAnswer {
  junction: string
  stage: string
  since: string
  mode: string
  changing: boolean
  age_s: number
}

export interface IncidentAnswer {
  id: string
  link: string
  begins?: Maybe<string>
  weather?: Maybe<string>
  intensity?: string
  area?: Maybe<number[]>
  time: string
  kind: string
  until: Maybe<string>
  position_m: number
  lanes_closed: number
  description: string
}

export interface PictureAnswer {
  time: string
  age_s: number
  sequence: number
  map_version: string
  forecast_id: Maybe<string>
  newest_age_s: Maybe<number>
  newest_freshness: Freshness
  provisional?: boolean
  classes: Partial<Record<LinkState, number>>
  links: PictureLink[]
  signals: SignalAnswer[]
  incidents: IncidentAnswer[]
}

export interface ForecastLink {
  row: number
  id: string
  method: string
  trusted: boolean
  speed_kph: Maybe<number>[]
  speed_lo_kph: Maybe<number>[]
  speed_hi_kph: Maybe<number>[]
}

export interface ForecastAnswer {
  id: string
  made: string
  age_s: number
  step_s: number
  interval: number
  links: ForecastLink[]
}

export interface CorridorAnswer {
  road: string
  name: string
  length_m: number
  links: {
    id: string
    row: number
    start_m: number
    end_m: number
    name: string
    free_speed_kph: number
  }[]
  nodes: { id: string; name: string; at_m: number }[]
}

export interface Cell {
  link: string
  row: number
  start_m: number
  end_m: number
  free_speed_kph: number
}

export interface TimeSpaceAnswer {
  road: string
  start: string
  end: string
  step_s: number
  cells: Cell[]
  speed_kph: Maybe<number>[][]
  /** As speed_kph: 0 none, 1 measured, 2 neighbours, 3 profile. */
  source: number[][]
  forecast: Maybe<{ id: string; start: string; step_s: number; speed_kph: Maybe<number>[][] }>
}

export interface FactAnswer {
  name: string
  value: number | string
  unit: string
  age_s: Maybe<number>
}

export interface DecisionView {
  id: string
  version: number
  kind: string
  state: string
  target: string
  time: string
  reason: string
  facts: FactAnswer[]
  command: Record<string, string>
  expires: Maybe<string>
  lease_until: Maybe<string>
  automatic: boolean
  by: string
  note: string
  checks: string[]
  map_version: string
  forecast_id: string
  predecessor: string
  text: string
  valid_for_s: Maybe<number>
  can_approve: boolean
  can_release: boolean
  why_not: Maybe<string>
}

export interface GateAnswer {
  id: string
  name: string
  link: string
  inbound: boolean
  barrier: boolean
  zones: string[]
  last_event: Maybe<string>
  last_event_age_s: Maybe<number>
  entries: number
  exits: number
  authorised_pct: Maybe<number>
}

export interface GateEvent {
  id: string
  time: string
  gate: string
  direction: string
  state: string
  reason: string
  text: string
  profile: Maybe<string>
  confidence: Maybe<number>
  vehicle: string
}

export interface AccountingAnswer {
  received: number
  applied: number
  revised: number
  duplicate: number
  late: number
  rejected: number
  balanced: boolean
  sources: Tally[]
}

export interface Tally {
  source: string
  topic: string
  received: number
  applied: number
  revised: number
  duplicate: number
  late: number
  rejected: number
  reasons: Record<string, number>
}

export interface DeadLetters {
  deadletters: { id: string; topic: string; arrived: string; source: string; reason: string }[]
}

export interface ReadyAnswer {
  ready: boolean
  reasons: string[]
  waiting?: number
  behind_s?: number
}

export interface IncidentAlert {
  id: string
  road: string
  link: string
  position_m: number
  before: string
  behind: string
  since: string
  confidence: number
  reason: string
  vehicles: number
  speed_before_kph: number
  speed_behind_kph: number
}

export interface QueueTail {
  road: string
  link: string
  position_m: number
  growth_kph: Maybe<number>
  length_m: number
  queue_kph: number
  approach_kph: number
  warn: boolean
}

export interface AlertsAnswer {
  time: string
  incidents: IncidentAlert[]
  queue_tails: QueueTail[]
}

export interface DetectorsAnswer {
  time: string
  failed: number
  detectors: {
    id: string
    link: string
    role: string
    faults: string[]
    since: Maybe<string>
    excluded: boolean
    replaced_by: string[]
  }[]
}

export interface StepScore {
  minutes: number
  samples: number
  error_kph: Maybe<number>
  last_value_error_kph: Maybe<number>
  usual_day_error_kph: Maybe<number>
  skill: Maybe<number>
  coverage: Maybe<number>
}

export interface ScoresAnswer {
  time: string
  distrusted: number
  steps: StepScore[]
  links: { id: string; trusted: boolean }[]
}
