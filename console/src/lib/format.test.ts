import { describe, expect, it } from 'vitest'
import { Format, plain } from './format'

const madrid = new Format('en-GB', 'Europe/Madrid')
const moment = Date.parse('2026-06-16T06:07:15Z')

describe('Format', () => {
  it('shows numbers with a narrow space between thousands and no more than one decimal', () => {
    expect(madrid.quantity(1240.3371, 'veh/h')).toBe('1\u202f240 veh/h')
    expect(madrid.decimal(1240.3371)).toBe('1\u202f240.3')
    expect(new Format('es', 'UTC').decimal(1240.3371)).toBe('1\u202f240,3')
  })

  it('shows a dash for what is not known, never a zero', () => {
    expect(madrid.integer(null)).toBe('–')
    expect(madrid.decimal(Number.NaN)).toBe('–')
    expect(madrid.quantity(undefined, 'km/h')).toBe('–')
    expect(madrid.integer(0)).toBe('0')
  })

  it('shows times in the time zone of the scenario, not of this computer', () => {
    expect(madrid.clock(moment)).toBe('Tue 16 Jun 08:07:15 CEST')
    expect(new Format('es', 'America/Los_Angeles').clock(moment)).toMatch(/23:07:15 PDT$/)
    expect(new Format('zh-Hans', 'UTC').clock(moment)).toMatch(/06:07:15 UTC$/)
    expect(madrid.minute('2026-06-16T06:07:15Z')).toBe('08:07')
    expect(new Format('en-GB', 'America/Los_Angeles').time(moment)).toBe('23:07:15')
  })

  it('shows ages and countdowns', () => {
    const ages = [0, 89, 90, 5399, 5400, 200_000].map((age) => madrid.duration(age))
    expect(ages).toEqual(['0 s', '89 s', '2 min', '90 min', '2 h', '2 d'])
    expect(madrid.countdown(200.9)).toBe('3:20')
    expect(madrid.countdown(-5)).toBe('0:00')
  })

  it('shows places along a road', () => {
    expect(madrid.km(4350)).toBe('km 4.35')
  })
})

describe('plain', () => {
  it('makes a word of the service readable', () => {
    expect(plain('own_plan')).toBe('own plan')
    expect(plain('QUEUE_GROWS')).toBe('queue grows')
  })
})
