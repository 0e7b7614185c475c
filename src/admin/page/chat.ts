import { ClientError, createClient } from '../../client/index.js';
import { byId, element, setPill } from './dom.js';
import { MessageList, contentOf } from './message-list.js';
import type { Client, ClientState, Incomplete } from '../../client/index.js';

const PAGE = 50;

export interface ChatSettings {
  readonly url: string;
  readonly channel: string;
  readonly name: string;
  /** Empty for an anonymous session. */
  readonly token: string;
}

/** Tells this tab's messages from those of another tab under the same name. */
const tab = Math.random().toString(36).slice(2);

/** One stay in one channel: a client of its own, so that leaving leaves nothing behind. */
export class Chat {
  readonly #settings: ChatSettings;
  readonly #client: Client;
  readonly #list = new MessageList((message) => contentOf(message).tab === tab);
  readonly #pending = byId<HTMLOListElement>('pending');
  #countdown = 0;

  constructor(settings: ChatSettings) {
    this.#settings = settings;
    const { url, token } = settings;
    this.#client = createClient({ url, backoffCapMs: 5000, ...(token === '' ? {} : { token }) });
    this.#pending.replaceChildren();
    byId('earlier').hidden = true;
  }

  start(): void {
    const client = this.#client;
    client.on('state', (state) => this.#showState(state));
    client.on('reconnecting', ({ delayMs }) => this.#countDown(Date.now() + delayMs));
    client.on('drain', () => this.#list.note('The gateway is restarting; this page will follow.', false));
    client.on('error', (error) => this.#list.note(`${error.message} (${error.code})`, true));
    const subscription = client.subscribe(this.#settings.channel);
    subscription.on('message', (message) => this.#list.add([message]));
    subscription.on('incomplete', (loss) => this.#lost(loss));
    // Live messages start after the head that `ready` tells; history brings what is up to it. Nothing lies between.
    subscription.ready.then(
      (head) => this.#load(head.seq + 1),
      () => undefined,
    );
    client.connect().catch(() => undefined);
  }

  leave(): void {
    clearInterval(this.#countdown);
    this.#client.close();
  }

  /** Shown when the gateway has acknowledged it and it comes back in the channel's order. */
  send(text: string): void {
    const waiting = element('li', '', text);
    this.#pending.append(waiting);
    this.#list.follow();
    const body = JSON.stringify({ name: this.#settings.name, text, tab });
    this.#client.publish(this.#settings.channel, body).then(
      () => waiting.remove(),
      (error: unknown) => {
        waiting.remove();
        if (error instanceof ClientError && error.code === 'closed') return;
        this.#list.note(`Not sent: “${text}”. ${error instanceof Error ? error.message : String(error)}`, true);
      },
    );
  }

  loadEarlier(): void {
    const first = this.#list.first;
    if (first !== null) this.#load(first.serverSeq);
  }

  #load(beforeSeq: number): void {
    this.#client.history(this.#settings.channel, { before: { seq: beforeSeq }, limit: PAGE }).then(
      (messages) => {
        this.#list.add(messages);
        byId('earlier').hidden = messages.length < PAGE || (messages[0]?.serverSeq ?? 1) <= 1;
      },
      (error: unknown) => {
        if (error instanceof ClientError && error.code === 'closed') return;
        this.#list.note(`History could not be loaded: ${error instanceof Error ? error.message : String(error)}`, true);
      },
    );
  }

  #lost({ fromSeq, toSeq, reason }: Incomplete): void {
    if (reason === 'epoch_changed') {
      this.#list.restart();
      this.#list.note('The channel began anew: its earlier messages are no longer kept.', false);
    } else this.#list.note(`Messages ${fromSeq} to ${toSeq} are no longer kept.`, false);
  }

  #showState(state: ClientState): void {
    const pill = byId('state');
    clearInterval(this.#countdown);
    if (state === 'open') setPill(pill, 'good', 'Connected');
    else if (state === 'closed') setPill(pill, 'bad', 'Stopped');
    else setPill(pill, 'warn', state === 'connecting' ? 'Connecting' : 'Reconnecting');
  }

  #countDown(at: number): void {
    const show = () => setPill(byId('state'), 'warn', `Reconnecting in ${Math.max(0, Math.ceil((at - Date.now()) / 1000))} s`);
    clearInterval(this.#countdown);
    show();
    this.#countdown = window.setInterval(show, 1000);
  }
}
