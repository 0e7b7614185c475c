/** Requests to a gateway's admin server, for the commands that ask one. */
import { AdminError } from '../errors.js';

const TIMEOUT_MS = 5000;

/** What a gateway answered. Throws AdminError, with a cause where nothing answered. */
export async function askAdmin(url: string, options: RequestInit = {}): Promise<Readonly<Record<string, unknown>>> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, { ...options, signal: AbortSignal.timeout(TIMEOUT_MS) });
    text = await response.text();
  } catch (cause) {
    throw new AdminError(`nothing answers at ${url}`, { cause });
  }
  if (response.status === 401) {
    throw new AdminError(`${url} does not accept the admin token`, { remedy: 'Pass --token with the right one.' });
  }
  if (!response.ok) throw new AdminError(`${url} answered ${response.status}: ${text}`);
  return readObject(text) ?? notAGateway(url);
}

/** A field of an answer that is a text at every gateway. Throws AdminError. */
export function textOf(answer: Readonly<Record<string, unknown>>, field: string, url: string): string {
  const value = answer[field];
  return typeof value === 'string' ? value : notAGateway(url);
}

/** Some other server listens there. */
function notAGateway(url: string): never {
  throw new AdminError(`what answers at ${url} is not the admin server of a gateway`);
}

function readObject(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
