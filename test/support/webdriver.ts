/** A W3C WebDriver client as small as the browser tests need, over chromedriver. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.js';

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
const CHROMEDRIVER = process.env['CHROMEDRIVER'] ?? '/usr/bin/chromedriver';
// The second line: it would look for Google's hosts at every start. The third: windows behind others must not fall asleep.
const FLAGS = [
  '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-quic', '--no-first-run', '--hide-scrollbars',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--disable-background-timer-throttling', '--disable-renderer-backgrounding', '--disable-backgrounding-occluded-windows',
];
const ELEMENT_KEY = 'element-6066-11e4-a52e-4f735466cecf';
const REQUEST_MS = 60_000;

/** Null when a browser can be driven here, else what is missing. */
export function browserMissing(): string | null {
  for (const path of [CHROMIUM, CHROMEDRIVER])
    if (!existsSync(path)) return `${path} is missing (apt-get install chromium chromium-driver)`;
  return null;
}

export interface BrowserOptions {
  readonly width?: number;
  readonly height?: number;
}

/** One browser with one or more windows. Close it. */
export class Browser {
  readonly #base: string;
  readonly #stop: () => Promise<void>;

  private constructor(base: string, stop: () => Promise<void>) {
    this.#base = base;
    this.#stop = stop;
  }

  static async start({ width = 1280, height = 900 }: BrowserOptions = {}): Promise<Browser> {
    const profile = mkdtempSync(join(tmpdir(), 'sluice-browser-'));
    const port = await freePort();
    // A group of its own: the browser's processes end with the driver's.
    const driver = spawn(CHROMEDRIVER, [`--port=${port}`], { stdio: 'ignore', detached: true });
    const exited = new Promise<void>((resolve) => driver.once('exit', () => resolve()));
    const stop = async () => {
      if (driver.pid !== undefined && driver.exitCode === null) {
        try {
          process.kill(-driver.pid, 'SIGKILL');
        } catch {
          // It is gone already.
        }
        await exited;
      }
      rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    };
    try {
      const root = `http://127.0.0.1:${port}`;
      await until(async () => (await call('GET', `${root}/status`)) !== null, 30_000, 'chromedriver to start');
      const args = [...FLAGS, `--user-data-dir=${profile}`, `--window-size=${width},${height}`];
      const options = { binary: CHROMIUM, args };
      const session = (await call('POST', `${root}/session`, {
        capabilities: { alwaysMatch: { browserName: 'chrome', 'goog:chromeOptions': options } },
      })) as { sessionId: string };
      return new Browser(`${root}/session/${session.sessionId}`, stop);
    } catch (error) {
      await stop();
      throw error;
    }
  }

  /** Handle of the window that commands go to. */
  window(): Promise<string> {
    return this.#get('/window') as Promise<string>;
  }

  async newWindow(): Promise<string> {
    const { handle } = (await this.#post('/window/new', { type: 'window' })) as { handle: string };
    await this.switchTo(handle);
    return handle;
  }

  async switchTo(handle: string): Promise<void> {
    await this.#post('/window', { handle });
  }

  async open(url: string): Promise<void> {
    await this.#post('/url', { url });
  }

  /** Types into the element that the selector finds, after what it holds. */
  async type(selector: string, text: string): Promise<void> {
    await this.#post(`/element/${await this.#find(selector)}/value`, { text });
  }

  async click(selector: string): Promise<void> {
    await this.#post(`/element/${await this.#find(selector)}/click`, {});
  }

  /** Runs the body of a function in the page and returns its result. */
  run<T>(script: string, ...args: readonly unknown[]): Promise<T> {
    return this.#post('/execute/sync', { script, args }) as Promise<T>;
  }

  /** A PNG of the window. */
  async screenshot(): Promise<Buffer> {
    return Buffer.from((await this.#get('/screenshot')) as string, 'base64');
  }

  async setSize(width: number, height: number): Promise<void> {
    await this.#post('/window/rect', { width, height });
  }

  /** Chromium's own commands, for what W3C WebDriver lacks. */
  cdp(cmd: string, params: object): Promise<unknown> {
    return this.#post('/goog/cdp/execute', { cmd, params });
  }

  async close(): Promise<void> {
    try {
      await call('DELETE', this.#base);
    } finally {
      await this.#stop();
    }
  }

  async #find(selector: string): Promise<string> {
    const found = (await this.#post('/element', { using: 'css selector', value: selector })) as Record<string, string>;
    return found[ELEMENT_KEY] ?? '';
  }

  #get(path: string): Promise<unknown> {
    return call('GET', this.#base + path);
  }

  #post(path: string, body: object): Promise<unknown> {
    return call('POST', this.#base + path, body);
  }
}

/** Waits until the condition holds. Rejects after `ms` with what was waited for. */
export async function until(condition: () => boolean | Promise<boolean>, ms: number, what: string): Promise<void> {
  const deadline = Date.now() + ms;
  for (;;) {
    try {
      if (await condition()) return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    if (Date.now() > deadline) throw new Error(`waited ${ms} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function call(method: string, url: string, body?: object): Promise<unknown> {
  const response = await fetch(url, {
    method,
    signal: AbortSignal.timeout(REQUEST_MS),
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const { value } = (await response.json()) as { value: unknown };
  if (response.ok) return value;
  const { error, message } = value as { error: string; message: string };
  throw new Error(`webdriver ${method} ${new URL(url).pathname}: ${error}: ${message}`);
}
