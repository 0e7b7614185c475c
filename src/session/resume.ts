/** Whether a resume token is good for its session. Pure. */

import { CLOSE, type CloseCode } from '../errors.js';
import type { SessionRecord } from '../store/sessions/session-store.js';
import type { ResumeClaims } from './resume-token.js';

export interface Refusal {
  readonly do: 'refuse';
  readonly code: CloseCode;
  readonly reason: string;
}

/** Claim generation `expected`, which becomes `next`; the token of generation `previous` stays good for a while. */
export type ResumeVerdict = {
  readonly do: 'claim';
  readonly expected: number;
  readonly previous: number;
  readonly next: number;
} | Refusal;

/** Who says `hello` now. */
export interface Resumer {
  readonly user: string | null;
  /** Null where the client names none. */
  readonly device: string | null;
}

/**
 * Every `welcome` rotates the token. A client that lost its connection before the `welcome` came has the former one only, so that
 * is good as well until the client has shown that it knows the new one (by any message) or its time is over. Whoever shows a
 * token that was rotated away holds a copy. A token later than its record was given out before that was stored, and then the process
 * ended (docs/decisions/0120): nobody can have a later one.
 */
export function judgeResume(claims: ResumeClaims, record: SessionRecord | null, resumer: Resumer, now: number): ResumeVerdict {
  if (claims.user !== resumer.user) return refuse(CLOSE.notAuthorised, 'the resume token is of another user');
  if (record === null || record.expiresAt <= now) return refuse(CLOSE.sessionExpired, 'the session has expired');
  if (record.user !== resumer.user) return refuse(CLOSE.notAuthorised, 'the resume token is of another user');
  if (record.ended) return refuse(CLOSE.sessionExpired, 'the session was ended');
  if (resumer.device !== null && record.device !== null && resumer.device !== record.device) {
    return refuse(CLOSE.notAuthorised, 'the resume token is of another device');
  }
  const { generation, previous, previousUntil } = record;
  const latest = claims.generation >= generation;
  if (latest || (claims.generation === previous && now < previousUntil)) {
    return { do: 'claim', expected: generation, previous: claims.generation, next: Math.max(claims.generation, generation) + 1 };
  }
  return refuse(CLOSE.notAuthorised, 'the resume token was used before');
}

/** Whether the session's latest claim was made before `time`, by the clock of whoever made it. */
export function claimedBefore({ previousUntil }: SessionRecord, resumeGraceMs: number, time: number): boolean {
  return previousUntil - resumeGraceMs < time;
}

function refuse(code: CloseCode, reason: string): Refusal {
  return { do: 'refuse', code, reason };
}
