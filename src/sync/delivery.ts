/** What is on its way to a row of one channel, whoever asked for it. */

import type { Row } from '../engine/port.js';
import { CatchUp } from './catch-up.js';
import { DeviceSync } from './device-sync.js';
import type { Replays } from './replays.js';

/** The row's catch-up of a channel, if it is under way, also as part of a sync. */
export function catchingUp(replays: Replays, row: Row, channelId: number): CatchUp | undefined {
  if (replays.active === 0) return undefined;
  const own = replays.find(row, (job): job is CatchUp => job instanceof CatchUp && job.channel.id === channelId);
  return own ?? replays.find(row, (job): job is DeviceSync => isPart(job, channelId))?.part(channelId);
}

export function stopCatchingUp(replays: Replays, row: Row, channelId: number): void {
  if (replays.active === 0) return;
  replays.cancel(row, (job) => job instanceof CatchUp && job.channel.id === channelId);
  replays.find(row, (job): job is DeviceSync => isPart(job, channelId))?.drop(channelId);
}

function isPart(job: unknown, channelId: number): boolean {
  return job instanceof DeviceSync && job.part(channelId) !== undefined;
}
