// Requests to the service, always on the same origin, with a time limit and errors in words.

const BASE = '/api/v1'
const LIMIT_MS = 10_000

interface ProblemBody {
  title?: string
  detail?: string
  request_id?: string
  errors?: { field?: string; value?: string; rule?: string }[]
}

/** A request that failed: the problem in words, and the id that finds it in the service's log. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly requestId: string,
    readonly body: ProblemBody & Record<string, unknown> = {},
  ) {
    super(`${title} ${detail}`.trim())
  }
}

async function problemOf(response: Response): Promise<Problem> {
  const body = (await response.json().catch(() => ({}))) as ProblemBody & Record<string, unknown>
  const reasons = (body.errors ?? []).map((item) => `${item.field ?? ''}: ${item.rule ?? ''}`)
  const detail = [body.detail ?? '', ...reasons].filter(Boolean).join(' · ')
  const id = body.request_id ?? response.headers.get('x-request-id') ?? ''
  return new Problem(response.status, body.title ?? `HTTP ${response.status}`, detail, id, body)
}

async function request(path: string, init: RequestInit): Promise<Response> {
  const url = path.startsWith('/') ? path : `${BASE}/${path}`
  try {
    return await fetch(url, { ...init, signal: AbortSignal.timeout(LIMIT_MS) })
  } catch (error) {
    const late = error instanceof DOMException && error.name === 'TimeoutError'
    throw new Problem(0, late ? 'timeout' : 'unreachable', '', '')
  }
}

/** GET a JSON answer. */
export async function get<T>(path: string): Promise<T> {
  const response = await request(path, { headers: { accept: 'application/json' } })
  if (!response.ok) throw await problemOf(response)
  return (await response.json()) as T
}

/** POST a JSON body; gives the status with the answer, because 202 means "not yet". */
export async function post<T>(path: string, body: unknown): Promise<{ status: number; answer: T }> {
  const response = await request(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw await problemOf(response)
  return { status: response.status, answer: (await response.json()) as T }
}

/** Address of the binary live stream on this origin. */
export function streamUrl(): string {
  const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:'
  return `${scheme}//${location.host}${BASE}/stream`
}

export const ALERTS_URL = `${BASE}/alerts/stream`
