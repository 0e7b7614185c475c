import { fileURLToPath } from 'node:url';

/** The project's folder. This file runs as build/bench/lib/paths.js. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
export const SERVERS = `${ROOT}bench/servers/`;
export const RESULTS = `${ROOT}bench/results/`;
export const LOAD = process.env['SLUICE_LOAD'] ?? `${ROOT}build/Release/sluice-load`;
export const SLUICE_CLI = `${ROOT}dist/cli.js`;
export const SLUICE_INDEX = `${ROOT}dist/index.js`;
