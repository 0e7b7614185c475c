/** Asks the nodes that receive this node's clients how busy they are, while it drains. */

const PERIOD_MS = 500;
const TIMEOUT_MS = 1000;
/** An answer that is older says nothing any more. */
const STALE_MS = 3000;

interface Report {
  load: number;
  at: number;
}

export class Receivers {
  readonly #urls: readonly string[];
  /** Milliseconds, monotonic. */
  readonly #now: () => number;
  readonly #reports = new Map<string, Report>();
  #timer: NodeJS.Timeout | null = null;

  /** Addresses of admin servers. */
  constructor(addresses: readonly string[], now: () => number) {
    this.#urls = addresses.map((address) => `${/^https?:/.test(address) ? address.replace(/\/+$/, '') : `http://${address}`}/load`);
    this.#now = now;
  }

  start(): void {
    if (this.#urls.length === 0 || this.#timer !== null) return;
    this.#ask();
    this.#timer = setInterval(() => this.#ask(), PERIOD_MS).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Of the fullest; null when none has answered lately. One that is silent while others answer counts as full: it is down, or too busy. */
  get load(): number | null {
    const since = this.#now() - STALE_MS;
    const reports = this.#urls.map((url) => this.#reports.get(url));
    const loads = reports.map((report) => (report !== undefined && report.at > since ? report.load : null));
    return loads.every((load) => load === null) ? null : Math.max(...loads.map((load) => load ?? 1));
  }

  #ask(): void {
    for (const url of this.#urls) void this.#askOne(url);
  }

  /** Never rejects: silence is an answer as well. */
  async #askOne(url: string): Promise<void> {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
      const { load } = (await response.json()) as { readonly load?: unknown };
      if (response.ok && typeof load === 'number' && load >= 0 && load <= 1) this.#reports.set(url, { load, at: this.#now() });
    } catch {
      return;
    }
  }
}
