// A decision in words: what it asks for, and until when.

import type { DecisionView } from './types'
import { t } from './words.svelte'

/** What the street is asked to do, in a few words; the service's own sentence for what is new. */
export function wishOf(decision: DecisionView): string {
  const { kind, command } = decision
  if (kind === 'signal_control') {
    const seconds = Number(command.for_s)
    return seconds > 0 ? t('wish.control', { minutes: seconds / 60 }) : t('wish.controlOpen')
  }
  if (kind === 'signal_stage') return t('wish.stage', { stage: command.stage ?? '?' })
  const gate = command.gate
  if (gate === 'open' || gate === 'record' || gate === 'intercom') return t(`wish.${gate}`)
  return decision.text
}

/** When a decision lapses, or null. Control lapses as a whole, a single request with its lease. */
export function endOf(decision: DecisionView | null): string | null {
  if (decision === null) return null
  if (decision.kind === 'signal_control') return decision.expires
  return decision.lease_until ?? decision.expires
}
