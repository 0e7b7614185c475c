import { LmdbMessageLog } from '../../../src/store/log/lmdb-message-log.js';
import type { LogEntry } from '../../../src/store/types.js';
import { entry } from './entries.js';

/** Appends until it is killed. Prints "<channel> <seq>" for what is acknowledged, after it is. */
const [folder] = process.argv.slice(2);
const log = new LmdbMessageLog({ folder: folder!, tailMessages: 200 });
const channels = ['a', 'b', 'c'].map((name) => log.openChannel(name));
const heads = channels.map(({ headSeq }) => headSeq);
for (let round = 0; ; round++) {
  const batch: LogEntry[] = [];
  for (let i = 0; i < 5 + (round % 60); i++) {
    const at = (i * 7 + round) % channels.length;
    batch.push(entry(channels[at]!.id, ++heads[at]!));
  }
  await log.append(batch);
  process.stdout.write(`${channels.map(({ name }, i) => `${name} ${heads[i]}`).join('\n')}\n`);
}
