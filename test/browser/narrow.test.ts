/** The dashboard on the narrowest phones: nothing lies on something else, nothing is wider than the window. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { startSluice } from '../support/sluice-process.js';
import { Browser, browserMissing, until } from '../support/webdriver.js';

t.setTimeout(590_000);

const WIDTHS = [320, 360, 412];
/** Texts of each chart that lie on one another, and what stands out of the window. */
const FAULTS = `
  const faults = [];
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) faults.push('the page is ' + document.documentElement.scrollWidth + ' wide');
  for (const chart of document.querySelectorAll('.chart')) {
    const texts = [...chart.querySelectorAll('h3, .values b, .values span, .scale, .axis span')].filter((one) => one.textContent !== '');
    const boxes = texts.map((one) => [one, one.getBoundingClientRect()]);
    for (const [one, box] of boxes) if (box.right > width || box.left < 0) faults.push(one.textContent + ' stands out');
    boxes.forEach(([one, a], i) => boxes.slice(i + 1).forEach(([other, b]) => {
      const lies = a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
      if (lies) faults.push(chart.querySelector('h3').textContent + ': ' + one.textContent + ' on ' + other.textContent);
    }));
    const card = chart.getBoundingClientRect();
    for (const [one, box] of boxes) if (box.bottom > card.bottom + 1) faults.push(one.textContent + ' is below its card');
  }
  return faults;`;

t.test('charts whose numbers are long', { skip: browserMissing() ?? false }, async (t) => {
  const data = mkdtempSync(join(tmpdir(), 'sluice-narrow-'));
  t.teardown(() => rmSync(data, { recursive: true, force: true }));
  const server = await startSluice(['serve', '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--data', data]);
  t.teardown(() => server.stop('SIGKILL'));
  const browser = await Browser.start();
  t.teardown(() => browser.close());
  for (const width of WIDTHS) {
    await browser.cdp('Emulation.setDeviceMetricsOverride', { width, height: 780, deviceScaleFactor: 2, mobile: true });
    await browser.open(new URL('/?channel=lobby&name=Ada', server.admin).href);
    const drawn = `return [...document.querySelectorAll('.scale')].some((one) => one.textContent !== '')`;
    await until(() => browser.run<boolean>(drawn), 90_000, 'the charts to be drawn');
    // As of a node with ten million connections; the next second's values would replace them.
    const faults = await browser.run<string[]>(`
      for (const one of document.querySelectorAll('.values b')) one.textContent = '9,876,543';
      for (const one of document.querySelectorAll('.scale')) one.textContent = '10,000,000';
      ${FAULTS}`);
    const folder = process.env['SLUICE_SCREENSHOTS'];
    if (folder !== undefined) {
      await browser.run(`document.querySelector('.charts').scrollIntoView()`);
      writeFileSync(join(folder, `dashboard-${width}.png`), await browser.screenshot());
    }
    t.same(faults, [], `${width} pixels`);
  }
});
