// A decision in words: what it asks for, and until when.

import type { DecisionView } from './types'
import { t } from './words.svelte'

/** Kinds of decisions about ramp meters, signs and gates. */
export const DEVICE_KINDS: ReadonlySet<string> = new Set(['ramp_meter', 'sign', 'gate'])

/** What the street is asked to do, in a few words; the service's own sentence for what is new. */
export function wishOf(decision: DecisionView): string {
  const { kind, command } = decision
  if (kind === 'signal_control') {
    const seconds = Number(command.for_s)
    return seconds > 0 ? t('wish.control', { minutes: seconds / 60 }) : t('wish.controlOpen')
  }
  if (kind === 'signal_stage') return t('wish.stage', { stage: command.stage ?? '?' })
  if (DEVICE_KINDS.has(kind)) return orderOf(command)
  const gate = command.gate
  if (gate === 'open' || gate === 'record' || gate === 'intercom') return t(`wish.${gate}`)
  return decision.text
}

/** What a ramp meter, a sign or a gate is told, in a few words. */
export function orderOf(command: Record<string, string>): string {
  if (command.rate_vph !== undefined) return t('order.rate', { n: Number(command.rate_vph) })
  if (command.limit_kph !== undefined) return t('order.limit', { n: Number(command.limit_kph) })
  if (command.close_lane !== undefined) return t('order.lane', { n: Number(command.close_lane) })
  if (command.text !== undefined) return t('order.text', { text: command.text })
  if (command.gate === 'closed') return t('order.closed')
  if (command.gate === 'open') return t('order.open')
  if (command.gate === 'by_rule') return t('order.by_rule')
  return t('order.off')
}

/** When a decision lapses, or null. Control lapses as a whole, a single request with its lease. */
export function endOf(decision: DecisionView | null): string | null {
  if (decision === null) return null
  if (decision.kind === 'signal_control' || DEVICE_KINDS.has(decision.kind)) return decision.expires
  return decision.lease_until ?? decision.expires
}

/** The steps of a decision worth telling: a lease that was only renewed is none. */
export function stepsOf(history: DecisionView[]): DecisionView[] {
  const renewed = (step: DecisionView): boolean =>
    DEVICE_KINDS.has(step.kind) && step.version > 3 && ['issued', 'acknowledged'].includes(step.state)
  return history.filter((step) => !renewed(step))
}
