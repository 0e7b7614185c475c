/**
 * The engine's account of its connections, as a control plane reads it: a damaged or hostile engine must not make it crash, loop or hold
 * more memory than the account is long. An input changes a good account: place (two bytes, in words, little-endian), how many words (one
 * byte), and the words; a place beyond its end cuts it off there.
 */

import { parseSnapshot } from '../../src/engine/snapshot.js';
import { SluiceError } from '../../src/errors.js';
import { fillTables } from '../../src/gateway/takeover/adopt.js';
import { makeSnapshot, makeTables } from '../../src/gateway/takeover/rehearsal-stage.js';
import { SESSION, type SessionTable } from '../../src/session/table.js';
import { fuzz, type FuzzTarget } from '../support/fuzzer.js';

const ROWS = 64;
const GOOD = makeSnapshot(ROWS);
/** Kinds of numbers that are near an edge of something. */
const EDGES = [0, 1, 2, 4, 5, 7, ROWS - 1, ROWS, ROWS + 1, 2 ** 16, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, GOOD.length, GOOD.length / 4];

function words(...numbers: readonly number[]): string {
  return Buffer.from(Uint32Array.from(numbers).buffer).toString('latin1');
}

/** The head: counts of seven lists and the bytes of notes begin at the fifth word. */
const HEADS = EDGES.flatMap((value) => Array.from({ length: 8 }, (_, i) => `${String.fromCharCode(4 + i, 0, 1)}${words(value)}`));

function damaged(input: Buffer): Buffer {
  let bytes = Buffer.from(GOOD);
  for (let at = 0; at + 3 <= input.length; ) {
    const place = input.readUInt16LE(at) * 4;
    const length = input.readUInt8(at + 2) * 4;
    if (place >= GOOD.length) bytes = bytes.subarray(0, (place - GOOD.length) % GOOD.length);
    input.copy(bytes, place, at + 3, at + 3 + length);
    at += 3 + length;
  }
  return bytes;
}

/** Whether `work` ends as it may: well, or with an error of ours, which says what is wrong and ends the process. */
function ends<T>(work: () => T): T | null {
  try {
    return work();
  } catch (error) {
    if (error instanceof SluiceError) return null;
    throw error;
  }
}

/** As the gateway does: who has no session yet has no name and no rights. */
function lookAt(sessions: SessionTable): void {
  sessions.forEachConnection((row) => {
    if (sessions.state(row) !== SESSION.open) return;
    sessions.userName(row);
    sessions.canRead(row, 'a');
  });
}

async function run(input: Buffer): Promise<void> {
  const bytes = damaged(input);
  const snapshot = ends(() => parseSnapshot(bytes, 1, ROWS));
  if (snapshot === null) return;
  const rows = snapshot.rows.reduce((sum, { count }) => sum + count, 0);
  if (rows * 4 > bytes.length) throw new Error(`${rows} rows in ${bytes.length} bytes`);
  const tables = makeTables(ROWS);
  ends(() => fillTables(tables, snapshot));
  // What was taken in can be gone through.
  ends(() => lookAt(tables.sessions));
  ends(() => void tables.channels.adoptSome(Infinity));
}

const target: FuzzTarget = { name: 'snapshot_fuzz', words: [...HEADS, ...EDGES.map((value) => words(value))], longest: 2000, run };
await fuzz(target, process.argv.slice(2));
