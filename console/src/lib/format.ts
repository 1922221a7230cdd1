// Numbers and times for people: one decimal at most, a narrow space between thousands.

const NARROW_SPACE = '\u202f'
export const NONE = '–'

type Known = number | null | undefined

function missing(value: Known): value is null | undefined {
  return value === null || value === undefined || !Number.isFinite(value)
}

/** Words of one language and one time zone. */
export class Format {
  private readonly whole: Intl.NumberFormat
  private readonly tenth: Intl.NumberFormat
  private readonly hundredth: Intl.NumberFormat
  private readonly dayClock: Intl.DateTimeFormat
  private readonly hms: Intl.DateTimeFormat
  private readonly hm: Intl.DateTimeFormat
  private readonly zone: Intl.DateTimeFormat

  constructor(
    readonly locale: string,
    readonly timezone: string,
  ) {
    const grouped = { useGrouping: 'always' } as const
    this.whole = new Intl.NumberFormat(locale, { ...grouped, maximumFractionDigits: 0 })
    this.tenth = new Intl.NumberFormat(locale, {
      ...grouped,
      minimumFractionDigits: 1,
      maximumFractionDigits: 1,
    })
    this.hundredth = new Intl.NumberFormat(locale, {
      minimumFractionDigits: 2,
      maximumFractionDigits: 2,
    })
    const zone = { timeZone: timezone, hourCycle: 'h23' } as const
    const minute = { hour: '2-digit', minute: '2-digit' } as const
    this.hm = new Intl.DateTimeFormat(locale, { ...zone, ...minute })
    this.hms = new Intl.DateTimeFormat(locale, { ...zone, ...minute, second: '2-digit' })
    // A locale abbreviates the zones of its own places only; the others become GMT+2.
    this.zone = new Intl.DateTimeFormat(zoneLocale(timezone), {
      timeZone: timezone,
      timeZoneName: 'short',
    })
    this.dayClock = new Intl.DateTimeFormat(locale, {
      timeZone: timezone,
      weekday: 'short',
      day: 'numeric',
      month: 'short',
    })
  }

  private parts(format: Intl.NumberFormat, value: Known): string {
    if (missing(value)) return NONE
    const parts = format.formatToParts(value)
    return parts.map((part) => (part.type === 'group' ? NARROW_SPACE : part.value)).join('')
  }

  /** `1 240` */
  integer(value: Known): string {
    return this.parts(this.whole, value)
  }

  /** `23.4` */
  decimal(value: Known): string {
    return this.parts(this.tenth, value)
  }

  /** `0.42`, for ratios of speeds. */
  ratio(value: Known): string {
    return this.parts(this.hundredth, value)
  }

  /** `1 240 veh/h`; without a unit after nothing. */
  quantity(value: Known, unit: string): string {
    return missing(value) ? NONE : `${this.integer(value)} ${unit}`
  }

  /** `42 s`, `12 min`, `5 h`, `3 d` */
  duration(seconds: Known): string {
    if (missing(seconds)) return NONE
    if (seconds < 90) return `${this.integer(Math.max(0, seconds))} s`
    if (seconds < 5400) return `${this.integer(seconds / 60)} min`
    if (seconds < 172_800) return `${this.integer(seconds / 3600)} h`
    return `${this.integer(seconds / 86_400)} d`
  }

  /** `3:20`, for a countdown. */
  countdown(seconds: number): string {
    const left = Math.max(0, Math.floor(seconds))
    return `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`
  }

  /** `Tue 21 Nov 18:42:07 CET` in the scenario's time zone. */
  clock(ms: number): string {
    const day = this.dayClock.format(ms).replace(',', '')
    return `${day} ${this.hms.format(ms)} ${this.abbreviation(ms)}`
  }

  private abbreviation(ms: number): string {
    const parts = this.zone.formatToParts(ms)
    return parts.find((part) => part.type === 'timeZoneName')?.value ?? this.timezone
  }

  /** `18:42:07` */
  time(at: number | string | null | undefined): string {
    return at === null || at === undefined ? NONE : this.hms.format(instant(at))
  }

  /** `18:42` */
  minute(at: number | string): string {
    return this.hm.format(instant(at))
  }

  /** `km 4.35` */
  km(meters: number): string {
    return `km ${this.hundredth.format(meters / 1000)}`
  }
}

function zoneLocale(timezone: string): string {
  return timezone.startsWith('America/') || timezone.startsWith('US/') ? 'en-US' : 'en-GB'
}

function instant(at: number | string): number {
  return typeof at === 'number' ? at : Date.parse(at)
}

/** A machine's word for a reader, when no message knows it: `OWN_PLAN` becomes `own plan`. */
export function plain(word: string): string {
  const spaced = word.replaceAll('_', ' ')
  return word.length > 2 && spaced === spaced.toUpperCase() ? spaced.toLowerCase() : spaced
}
