import type { Row } from '../../engine/port.js';
import { CLOSE, REPLY } from '../../errors.js';
import type { Identity } from '../../session/auth.js';
import type { ResumeClaims } from '../../session/resume-token.js';
import { randomSessionId } from '../../session/session-id.js';
import { SESSION } from '../../session/table.js';
import type { GatewayContext } from '../context.js';
import { readDevice, readOptionalText } from '../fields.js';
import { HeaderFault, readId, type Header } from '../header.js';
import { refuse } from '../refusal.js';

/** What a `hello` asks for. */
export interface Hello {
  readonly token: string | null;
  readonly device: string | null;
  readonly resume: string | null;
}

/** Reads a `hello`; null when it was refused. */
export function readHello(context: GatewayContext, row: Row, header: Header): Hello | null {
  const id = readId(header);
  if (context.sessions.state(row) !== SESSION.connected) {
    context.replies.error(row, id, REPLY.secondHello, 'hello was said already');
    return null;
  }
  const token = readOptionalText(header.token, 'token');
  const device = readDevice(header.device);
  const resume = readOptionalText(header.resume, 'resume');
  const cursor = readOptionalText(header.sync_cursor, 'sync_cursor');
  const fault = [token, device, resume, cursor, readCursors(header.cursors)].find((field) => field instanceof HeaderFault);
  if (fault instanceof HeaderFault) {
    refuse(context, row, id, fault);
    return null;
  }
  return { token, device, resume } as Hello;
}

function readCursors(value: unknown): HeaderFault | null {
  const valid = value === undefined || value === null || (typeof value === 'object' && !Array.isArray(value));
  return valid ? null : new HeaderFault('cursors must be an object of positions by channel');
}

/** Begins the session of an authenticated client, or goes on with the one that its resume token names. */
export function welcome(context: GatewayContext, row: Row, identity: Identity, hello: Hello): void {
  const { sessions, clock } = context;
  const now = Math.floor(clock.now() / 1000);
  const resumed = hello.resume === null ? null : readResume(context, hello.resume, now);
  if (resumed !== null && resumed.user !== identity.user) {
    return context.end(row, CLOSE.notAuthorised, 'the resume token is of another user');
  }
  const id = resumed?.session ?? randomSessionId();
  if (resumed !== null) takeOver(context, resumed);
  sessions.open(row, { ...identity, id, expiresAt: sessionEnd(identity, now, context.config.auth.leewayS) });
  context.port.admit(row);
  const expiresAt = now + Math.ceil(context.config.session.resumeTtlMs / 1000);
  const token = context.resume.sign({ session: id, user: identity.user, device: hello.device ?? resumed?.device ?? null, expiresAt });
  context.replies.raw(row, welcomeText(context, sessions.sessionId(row), token, resumed !== null));
}

/** The session ends with its token; one that was accepted after its end, within the leeway, at the leeway's end. */
function sessionEnd({ expiresAt }: Identity, now: number, leewayS: number): number {
  return expiresAt === 0 || expiresAt > now ? expiresAt : Math.max(expiresAt + leewayS, now + 1);
}

function readResume(context: GatewayContext, token: string, now: number): ResumeClaims | null {
  const claims = context.resume.verify(token, now);
  return claims === null || context.ended.has(claims.session) ? null : claims;
}

/** A session has one connection: the former one, if it is still there, is told and closed. */
function takeOver(context: GatewayContext, { session }: ResumeClaims): void {
  const former = context.sessions.findSession(session);
  if (former >= 0) context.end(former, CLOSE.sessionTakenOver, 'the session goes on over another connection');
}

function welcomeText({ config }: GatewayContext, session: string, resume: string, resumed: boolean): string {
  const { limits } = config;
  return JSON.stringify({
    op: 'welcome',
    session,
    resume,
    resumed,
    node: config.node,
    region: config.region,
    heartbeat_ms: limits.heartbeatMs,
    limits: {
      message_bytes: limits.messageBytes,
      header_bytes: limits.headerBytes,
      channels: limits.channelsPerSession,
      publish_rate: limits.publishRate,
      publish_burst: limits.publishBurst,
      history: limits.historyMessages,
    },
    sync_cursor: null,
  });
}
