const TIME_DIGITS = 9;
const RANDOM_DIGITS = 10;
const COUNTER_DIGITS = 10;

/**
 * Publish keys: `<base36 ms><random per client>-<zero padded counter>`. They sort by time, which keeps the gateway's index of
 * keys append-mostly, and never repeat: the counter separates keys of one client, the random part the clients.
 */
export class KeyGenerator {
  readonly #now: () => number;
  readonly #client: string;
  #counter = 0;
  #lastMs = 0;

  constructor(now: () => number, random: () => number) {
    this.#now = now;
    let client = '';
    for (let i = 0; i < RANDOM_DIGITS; i += 1) client += Math.floor(random() * 36).toString(36);
    this.#client = client;
  }

  next(): string {
    // The wall clock may step back; keys must not.
    this.#lastMs = Math.max(this.#lastMs, Math.floor(this.#now()));
    this.#counter += 1;
    const time = this.#lastMs.toString(36).padStart(TIME_DIGITS, '0');
    return `${time}${this.#client}-${String(this.#counter).padStart(COUNTER_DIGITS, '0')}`;
  }
}
