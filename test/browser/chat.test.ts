/**
 * Two pages of the real gateway in a real browser: one order for both, over a gateway that is killed and comes back. The first of it
 * also on our own stack: SLUICE_DRIVERS names the drivers, `all` for every one.
 */
import '../support/own-namespace.js';

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { addressesSettled, lacking, selectedDrivers, startOn, type Driver } from '../support/drivers.js';
import { freePort } from '../support/free-port.js';
import { CLI, startSluice } from '../support/sluice-process.js';
import { Browser, browserMissing, until } from '../support/webdriver.js';
import type { SluiceProcess } from '../support/sluice-process.js';

t.setTimeout(590_000);

const EACH = 60;
const GAP_MS = 15;
/** Generous: two browser windows and a gateway may share a busy core with the rest of the tests. */
const WAIT_MS = 60_000;

const missing = browserMissing() ?? (existsSync(CLI) ? null : 'dist/cli.js is not built');
const skip = missing === null ? {} : { skip: missing };

interface Row {
  readonly seq: number;
  readonly from: string;
  readonly text: string;
}

/** One page in a window of its own. */
class Page {
  readonly #browser: Browser;
  readonly #handle: string;

  constructor(browser: Browser, handle: string) {
    this.#browser = browser;
    this.#handle = handle;
  }

  async run<T>(script: string, ...args: readonly unknown[]): Promise<T> {
    await this.#browser.switchTo(this.#handle);
    return this.#browser.run<T>(script, ...args);
  }

  /** Sends `count` messages from the composer, beginning at `at` (ms since the Unix epoch). */
  sendMany(name: string, count: number, at: number): Promise<void> {
    return this.run(
      `const [name, count, at, gap] = arguments;
       const send = (n) => {
         document.querySelector('#text').value = name + ' ' + n;
         document.querySelector('#composer').requestSubmit();
         if (n < count) setTimeout(send, gap, n + 1);
       };
       setTimeout(send, at - Date.now(), 1);`,
      name, count, at, GAP_MS,
    );
  }

  rows(): Promise<Row[]> {
    return this.run<Row[]>(
      `return [...document.querySelectorAll('#messages .message')].map((row) => ({
         seq: Number(row.dataset.seq), from: row.querySelector('.from').textContent, text: row.querySelector('.body').textContent,
       }));`,
    );
  }

  state(): Promise<string> {
    return this.run<string>(`return document.querySelector('#state').textContent;`);
  }

  notices(): Promise<string[]> {
    return this.run<string[]>(`return [...document.querySelectorAll('#messages .notice')].map((notice) => notice.textContent);`);
  }

  pending(): Promise<number> {
    return this.run<number>(`return document.querySelectorAll('#pending li').length;`);
  }
}

interface Pages {
  readonly pages: readonly [Page, Page];
  readonly browser: Browser;
}

interface Rig extends Pages {
  kill(): Promise<void>;
  restart(): Promise<void>;
}

/** A gateway and two pages in one channel. */
async function rig(t: { teardown(callback: () => unknown): void }): Promise<Rig> {
  const data = mkdtempSync(join(tmpdir(), 'sluice-browser-test-'));
  t.teardown(() => rmSync(data, { recursive: true, force: true }));
  const serve = (listen: string, admin: string) => startSluice(['serve', '--listen', listen, '--admin', admin, '--data', data]);
  const addresses = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`] as const;
  let sluice: SluiceProcess = await serve(...addresses);
  t.teardown(() => sluice.stop('SIGKILL'));
  return {
    ...(await twoPages(t, sluice.admin)),
    kill: async () => void (await sluice.stop('SIGKILL')),
    restart: async () => void (sluice = await serve(...addresses)),
  };
}

/** Both connected. */
async function twoPages(t: { teardown(callback: () => unknown): void }, admin: string): Promise<Pages> {
  const browser = await Browser.start();
  t.teardown(() => browser.close());
  const open = async (name: string, handle: string): Promise<Page> => {
    await browser.open(new URL(`/?channel=lobby&name=${name}`, admin).href);
    return new Page(browser, handle);
  };
  const ada = await open('Ada', await browser.window());
  const grace = await open('Grace', await browser.newWindow());
  const result: Pages = { pages: [ada, grace], browser };
  await bothAre(result, (state) => state === 'Connected');
  return result;
}

async function bothAre({ pages }: Pages, condition: (state: string) => boolean): Promise<void> {
  try {
    await until(async () => {
      for (const page of pages) if (!condition(await page.state())) return false;
      return true;
    }, WAIT_MS, 'both pages to change their state');
  } catch (error) {
    throw new Error(`${(error as Error).message}: ${await pages[0].state()}; ${await pages[1].state()}`);
  }
}

async function bothShow({ pages }: Pages, count: number): Promise<readonly [Row[], Row[]]> {
  try {
    await until(async () => {
      for (const page of pages) if ((await page.rows()).length < count || (await page.pending()) > 0) return false;
      return true;
    }, WAIT_MS, `both pages to show ${count} messages`);
  } catch (error) {
    const shown = [];
    for (const page of pages) {
      const rows = await page.rows();
      shown.push(
        `${await page.state()}, ${rows.length} shown up to ${rows.at(-1)?.seq}, ${await page.pending()} waiting, ` +
          `notices ${await page.notices()}`,
      );
    }
    throw new Error(`${(error as Error).message}: ${shown.join('; ')}`);
  }
  return [await pages[0].rows(), await pages[1].rows()];
}

function expected(...parts: readonly (readonly [name: string, count: number])[]): string[] {
  return parts.flatMap(([name, count]) => Array.from({ length: count }, (_, index) => `${name} ${index + 1}`)).sort();
}

/** The same dense order in both, each text once, and each sender's messages in the order in which they were sent. */
function check(t: Pick<typeof import('tap').default, 'same'>, [one, two]: readonly [Row[], Row[]], texts: readonly string[]): void {
  t.same(two, one, 'both pages show the same');
  t.same(one.map(({ seq }) => seq), one.map((_, index) => index + 1), 'dense');
  t.same(one.map(({ text }) => text).sort(), texts, 'nothing missing, nothing doubled');
  for (const label of new Set(texts.map((text) => text.replace(/ \d+$/, '')))) {
    const numbers = one.filter(({ text }) => text.startsWith(`${label} `)).map(({ text }) => Number(text.split(' ').at(-1)));
    t.same(numbers, [...numbers].sort((a, b) => a - b), `the order of ${label}`);
  }
}

for (const driver of selectedDrivers(['epoll', 'dpdk on af_xdp'])) {
  const name = `two pages that send at once show one order (${driver})`;
  t.test(name, { skip: missing ?? lacking(driver), timeout: 560_000 }, async (t) => sendAtOnce(t, driver));
}

async function sendAtOnce(t: Test, driver: Driver): Promise<void> {
  const data = mkdtempSync(join(tmpdir(), 'sluice-browser-test-'));
  t.teardown(() => rmSync(data, { recursive: true, force: true }));
  const sluice = await startOn(driver, ['serve', '--admin', '127.0.0.1:0', '--data', data]);
  t.teardown(() => sluice.stop('SIGKILL'));
  if (sluice.link !== null) await addressesSettled();
  const r = await twoPages(t, sluice.admin);
  const at = Date.now() + 1000;
  await r.pages[0].sendMany('ada', EACH, at);
  await r.pages[1].sendMany('grace', EACH, at);
  const rows = await bothShow(r, 2 * EACH);
  check(t, rows, expected(['ada', EACH], ['grace', EACH]));
  const order = rows[0].map(({ from }) => from).join();
  t.match(order, /Ada,Grace|Grace,Ada/, 'they did send at once');
  t.same([await r.pages[0].notices(), await r.pages[1].notices()], [[], []]);
  t.equal(await r.pages[0].run(`return document.querySelectorAll('.message.own').length`), EACH, 'a page knows its own');

  await r.browser.open((await r.pages[1].run<string>('return location.href')));
  t.same((await bothShow(r, 50))[1].map(({ seq }) => seq).at(-1), 2 * EACH, 'a page that is loaded again has the history');
}

t.test('a gateway that is killed and restarted loses, doubles and reorders nothing', { ...skip, timeout: 560_000 }, async (t) => {
  const r = await rig(t);
  const [ada, grace] = r.pages;
  for (let round = 1; round <= 2; round += 1) {
    const at = Date.now() + 500;
    await ada.sendMany(`ada ${round}`, EACH, at);
    await grace.sendMany(`grace ${round}`, EACH, at);
    // In the middle of both streams.
    await until(() => Date.now() >= at + (EACH * GAP_MS) / 2, 5000, 'the middle');
    await r.kill();
    await bothAre(r, (state) => state !== 'Connected');
    await ada.sendMany(`ada down ${round}`, 5, Date.now());
    await grace.sendMany(`grace down ${round}`, 5, Date.now());
    await until(async () => (await ada.pending()) >= 5 && (await grace.pending()) >= 5, WAIT_MS, 'both to have messages that wait');
    await r.restart();
    await bothAre(r, (state) => state === 'Connected');
    const parts = Array.from({ length: round }, (_, index) => [
      [`ada ${index + 1}`, EACH], [`grace ${index + 1}`, EACH], [`ada down ${index + 1}`, 5], [`grace down ${index + 1}`, 5],
    ] as const).flat();
    check(t, await bothShow(r, round * 2 * (EACH + 5)), expected(...parts));
  }
  t.same([await ada.notices(), await grace.notices()], [[], []]);
});
