import { compareMessages } from '../../client/index.js';
import { byId, element } from './dom.js';
import type { Message } from '../../client/index.js';

/** Rows kept in the page; older ones can be asked for again. */
const MAX_ROWS = 1000;
/** Scrolled up by less than this, the list follows new messages. */
const FOLLOW_PX = 80;

interface Row {
  readonly message: Message;
  readonly element: HTMLElement;
}

const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });

/** The messages of one channel in their order, each once. */
export class MessageList {
  readonly #list = byId<HTMLOListElement>('messages');
  readonly #scroll = byId('scroll');
  readonly #isOwn: (message: Message) => boolean;
  #rows: Row[] = [];
  readonly #ids = new Set<string>();

  constructor(isOwn: (message: Message) => boolean) {
    this.#isOwn = isOwn;
    this.#list.replaceChildren();
    byId('empty').hidden = true;
  }

  get first(): Message | null {
    return this.#rows[0]?.message ?? null;
  }

  /** Puts messages in their places; returns how many were new. */
  add(messages: readonly Message[]): number {
    const follows = this.#follows();
    const before = this.#scroll.scrollHeight - this.#scroll.scrollTop;
    let added = 0;
    for (const message of messages) if (this.#insert(message)) added += 1;
    byId('empty').hidden = this.#rows.length > 0;
    if (follows) this.follow();
    // Rows above the reader must not move what is being read.
    else if (added > 0 && messages.length > 1) this.#scroll.scrollTop = this.#scroll.scrollHeight - before;
    return added;
  }

  /** A line between the messages, where the list ends now. */
  note(text: string, isBad: boolean): void {
    const follows = this.#follows();
    this.#list.append(element('li', isBad ? 'notice bad' : 'notice', text));
    if (follows) this.follow();
  }

  /** The channel began anew: numbers start again, so what is shown is not comparable with what comes. */
  restart(): void {
    this.#rows = [];
    this.#ids.clear();
  }

  follow(): void {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
  }

  #follows(): boolean {
    return this.#scroll.scrollHeight - this.#scroll.scrollTop - this.#scroll.clientHeight < FOLLOW_PX;
  }

  #insert(message: Message): boolean {
    if (this.#ids.has(message.id)) return false;
    this.#ids.add(message.id);
    let at = this.#rows.length;
    while (at > 0 && compareMessages(this.#rows[at - 1]!.message, message) > 0) at -= 1;
    const row = { message, element: this.#render(message) };
    const next = this.#rows[at]?.element ?? null;
    if (next === null) this.#list.append(row.element);
    else next.before(row.element);
    this.#rows.splice(at, 0, row);
    if (this.#rows.length > MAX_ROWS) this.#dropOldest();
    return true;
  }

  #dropOldest(): void {
    const oldest = this.#rows.shift();
    if (oldest === undefined) return;
    this.#ids.delete(oldest.message.id);
    oldest.element.remove();
    byId('earlier').hidden = false;
  }

  #render(message: Message): HTMLElement {
    const { name, text } = contentOf(message);
    const from = element('span', 'from', name);
    from.style.setProperty('--hue', String(hueOf(name)));
    if (message.from !== '') from.title = `from ${message.from}`;
    const at = element('time', '', time.format(message.serverTs));
    at.dateTime = new Date(message.serverTs).toISOString();
    const seq = element('span', 'seq', `#${message.serverSeq}`);
    seq.title = `server_seq ${message.serverSeq}, id ${message.id}, lamport ${message.lamport}`;
    const item = element(
      'li',
      this.#isOwn(message) ? 'message own' : 'message',
      seq,
      element('div', 'meta', from, at),
      element('div', 'body', text),
    );
    item.dataset['seq'] = String(message.serverSeq);
    return item;
  }
}

/** This chat's bodies are {"name", "text", "tab"} as JSON; whatever else is published is shown as it is. */
export function contentOf(message: Pick<Message, 'body' | 'from'>): { readonly name: string; readonly text: string; readonly tab: string } {
  const { body, from } = message;
  if (typeof body !== 'string') return { name: from, text: `${body.length} bytes of binary data`, tab: '' };
  try {
    const { name, text, tab } = JSON.parse(body) as Record<string, unknown>;
    if (typeof name === 'string' && typeof text === 'string') return { name, text, tab: typeof tab === 'string' ? tab : '' };
  } catch {
    // Not of this chat.
  }
  return { name: from, text: body, tab: '' };
}

function hueOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const letter of name) hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  // Steps of the golden angle keep names apart whose hashes are near each other.
  return Math.round((hash % 997) * 137.508) % 360;
}
