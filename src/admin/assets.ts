/** The page and the client SDK as a browser gets them. */
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Asset {
  readonly type: string;
  readonly content: Buffer;
}

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};

/**
 * Files by URL path. The paths mirror dist/, so that the page's relative imports of the client hold in the browser as they do for
 * the compiler. From sources (tests), the compiled files of dist/ are served: a browser does not run TypeScript.
 */
export function loadAssets(): ReadonlyMap<string, Asset> {
  const assets = new Map<string, Asset>();
  for (const [prefix, folders] of [
    ['/client/', ['../client/', '../../dist/client/']],
    ['/admin/page/', ['./page/', '../../dist/admin/page/']],
  ] as const) {
    for (const folder of folders) addFolder(assets, prefix, fileURLToPath(new URL(folder, import.meta.url)));
  }
  const index = assets.get('/admin/page/index.html');
  if (index !== undefined) assets.set('/', index);
  const icon = assets.get('/admin/page/icon.svg');
  if (icon !== undefined) assets.set('/favicon.ico', icon);
  return assets;
}

function addFolder(assets: Map<string, Asset>, prefix: string, folder: string): void {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return;
  }
  for (const name of names) {
    const type = TYPES[name.slice(name.lastIndexOf('.') + 1)];
    if (type === undefined || assets.has(prefix + name)) continue;
    assets.set(prefix + name, { type, content: readFileSync(folder + name) });
  }
}
