/**
 * What Redis does in one step. A script may run twice for one call (the connection broke before the answer came), so each gives
 * the same answer the second time.
 */

import { APPEND, ENTRIES } from './append-script.js';
import { ARCHIVE_MARK, ARCHIVE_MARKED, ARCHIVE_MOVE, ARCHIVE_SETTLE, ARCHIVE_TAKE } from './archive-scripts.js';

interface Script {
  readonly keys: number;
  readonly lua: string;
}

/**
 * The channel's head; makes it where there is none.
 * KEYS 1 head · 2 stream. ARGV 1 epoch for a new channel, empty: do not make it. Returns {epoch, seq, oldest seq, id of the newest} or
 * nil.
 */
const OPEN = `${ENTRIES}
local head = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'first', 'id')
if not head[1] then
  if ARGV[1] == '' then return nil end
  redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'seq', '0', 'ts', '0', 'lamport', '0')
  head = {ARGV[1], '0', false, false}
end
local first, id = head[3], head[4]
if redis.call('EXISTS', KEYS[2]) == 0 then
  first, id = text(tonumber(head[2]) + 1), ''
elseif not id then
  local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
  first, id = text(first_of(oldest_of(KEYS[2]))), newest[2][6]
end
return {head[1], head[2], first, id}
`;

/** A new life of the sequence. KEYS 1 head. ARGV 1 the epoch that is over, 2 the next one, 3 least seq. */
const RENEW = `
local head = redis.call('HMGET', KEYS[1], 'epoch', 'seq')
if head[1] and head[1] ~= ARGV[1] then return 0 end
local seq = math.max(tonumber(head[2] or '0'), tonumber(ARGV[3]))
redis.call('HSET', KEYS[1], 'epoch', ARGV[2], 'seq', string.format('%.0f', seq))
return 1
`;

/**
 * A session's record, kept until ARGV[3] (Unix ms). KEYS 1 the session. ARGV 1 what it must be now (empty: it must not exist), 2 what
 * it becomes. Returns 1, or 0 where it is something else. A second run finds what the first one wrote.
 */
const SESSION_SWAP = `
local now = redis.call('GET', KEYS[1])
if now == ARGV[2] then return 1 end
if (now or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
return 1
`;

/** Keeps a key whose value is ARGV[1] until ARGV[2] (Unix ms). */
const KEEP_IF = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIREAT', KEYS[1], ARGV[2]) end
return 0
`;

/** Removes the field ARGV[1] of a hash where it still is ARGV[2]. */
const FIELD_REMOVE = `
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then return redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0
`;

/**
 * Takes a worker number. KEYS 1 hash number -> "until owner". ARGV 1 owner, 2 from, 3 until, 4 highest number. Returns it, or -1. Numbers
 * that were given up stay, without an owner: what they were used up to has to be known.
 */
const WORKER_TAKE = `
local free = -1
local owners = redis.call('HGETALL', KEYS[1])
local taken = {}
for i = 1, #owners, 2 do
  local untilMs, owner = string.match(owners[i + 1], '^(%d+) (.*)$')
  if owner == ARGV[1] then free = tonumber(owners[i]) break end
  if tonumber(untilMs) > tonumber(ARGV[2]) then taken[owners[i]] = true end
end
for n = 0, tonumber(ARGV[4]) do
  if free >= 0 then break end
  if not taken[tostring(n)] then free = n end
end
if free >= 0 then redis.call('HSET', KEYS[1], free, ARGV[3] .. ' ' .. ARGV[1]) end
return free
`;

/** KEYS 1 as above. ARGV 1 number, 2 owner, 3 until, 4 next owner. Returns 1, or 0 where it is somebody else's. */
const WORKER_HOLD = `
local held = redis.call('HGET', KEYS[1], ARGV[1])
if not held or string.match(held, '^%d+ (.*)$') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3] .. ' ' .. ARGV[4])
return 1
`;

/**
 * A node's record. KEYS 1 hash node -> JSON. ARGV 1 node, 2 instance that asks, 3 the record, 4 now, empty: whoever has the name. Returns
 * nil, or the living record of another instance, which stays; one without an instance is in nobody's way.
 */
const NODE_ANNOUNCE = `
local held = redis.call('HGET', KEYS[1], ARGV[1])
if held and ARGV[4] ~= '' then
  local known, record = pcall(cjson.decode, held)
  if known and type(record) == 'table' and (record['instance'] or '') ~= '' and record['instance'] ~= ARGV[2]
    and (tonumber(record['until']) or 0) > tonumber(ARGV[4]) then return held end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return false
`;

/** Removes the record of node ARGV[1] where it is of instance ARGV[2]. KEYS 1 as above. */
const NODE_WITHDRAW = `
local held = redis.call('HGET', KEYS[1], ARGV[1])
local known, record = pcall(cjson.decode, held or '')
if known and type(record) == 'table' and record['instance'] == ARGV[2] then return redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0
`;

export const SCRIPTS = {
  sluiceAppend: { keys: 4, lua: APPEND },
  sluiceOpen: { keys: 2, lua: OPEN },
  sluiceRenew: { keys: 1, lua: RENEW },
  sluiceArchiveTake: { keys: 2, lua: ARCHIVE_TAKE },
  sluiceArchiveMove: { keys: 2, lua: ARCHIVE_MOVE },
  sluiceArchiveMark: { keys: 1, lua: ARCHIVE_MARK },
  sluiceArchiveMarked: { keys: 1, lua: ARCHIVE_MARKED },
  sluiceArchiveSettle: { keys: 1, lua: ARCHIVE_SETTLE },
  sluiceSessionSwap: { keys: 1, lua: SESSION_SWAP },
  sluiceKeepIf: { keys: 1, lua: KEEP_IF },
  sluiceFieldRemove: { keys: 1, lua: FIELD_REMOVE },
  sluiceNodeAnnounce: { keys: 1, lua: NODE_ANNOUNCE },
  sluiceNodeWithdraw: { keys: 1, lua: NODE_WITHDRAW },
  sluiceWorkerTake: { keys: 1, lua: WORKER_TAKE },
  sluiceWorkerHold: { keys: 1, lua: WORKER_HOLD },
} as const satisfies Record<string, Script>;

export type ScriptName = keyof typeof SCRIPTS;
