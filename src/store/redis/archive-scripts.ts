/**
 * The scripts by which nodes archive a channel's stream. In the channel's head: `archived`, "EPOCH SEQ", up to where it was; `archiver`,
 * "UNTIL OWNER", who sees to it; `backlog`, how many messages above its usual bound the stream keeps while they wait. An epoch that began
 * meanwhile is archived from its beginning, which is the oldest message that the stream has: that is what its readers are offered.
 */

import { ENTRIES } from './append-script.js';

const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/**
 * KEYS 1 head · 2 stream. ARGV 1 owner, 2 lease in ms, 3 backlog. Returns {epoch, archived seq, seq, messages that went without having
 * been archived}, or nil where another node has the channel. Where nothing waits, nobody has it.
 */
export const ARCHIVE_TAKE = `${ENTRIES}${NOW}
local head = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'first', 'archived', 'archiver')
if not head[1] then return {'', '0', '0', '0'} end
local till, owner = string.match(head[5] or '', '^(%d+) (.*)$')
if till and owner ~= ARGV[1] and tonumber(till) > now then return nil end
local oldest = tonumber(head[3])
if redis.call('EXISTS', KEYS[2]) == 0 then oldest = tonumber(head[2]) + 1 end
if not oldest then oldest = first_of(oldest_of(KEYS[2])) end
local epoch, seq = string.match(head[4] or '', '^(%S+) (%d+)$')
local archived = epoch == head[1] and tonumber(seq) or oldest - 1
local dropped = math.max(0, oldest - 1 - archived)
archived = archived + dropped
redis.call('HSET', KEYS[1], 'archived', head[1] .. ' ' .. text(archived), 'backlog', ARGV[3])
if archived < tonumber(head[2]) then redis.call('HSET', KEYS[1], 'archiver', text(now + ARGV[2]) .. ' ' .. ARGV[1])
else redis.call('HDEL', KEYS[1], 'archiver') end
return {head[1], text(archived), head[2], text(dropped)}
`;

/**
 * KEYS 1 head · 2 stream. ARGV 1 epoch, 2 seq, 3 messages kept, 4 age in ms above which messages go, 0: at no age. What was kept for the
 * archiver only goes now, and the stream itself where nothing is appended any more; the lease is given up where nothing is left.
 */
export const ARCHIVE_MOVE = `${ENTRIES}
local head = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'archived', 'first')
local epoch, archived = string.match(head[3] or '', '^(%S+) (%d+)$')
if head[1] ~= ARGV[1] or epoch ~= ARGV[1] then return 0 end
archived = math.max(tonumber(archived), tonumber(ARGV[2]))
redis.call('HSET', KEYS[1], 'archived', epoch .. ' ' .. text(archived))
if redis.call('EXISTS', KEYS[2]) == 0 then return 1 end
local cut = math.min(tonumber(head[2]) - tonumber(ARGV[3]), archived) + 1
if cut > tonumber(head[4] or '0') and redis.call('XTRIM', KEYS[2], 'MINID', '~', text(cut)) > 0 then
  redis.call('HSET', KEYS[1], 'first', text(first_of(oldest_of(KEYS[2]))))
end
if archived >= tonumber(head[2]) then
  redis.call('HDEL', KEYS[1], 'archiver')
  if tonumber(ARGV[4]) > 0 then redis.call('PEXPIRE', KEYS[2], ARGV[4]) end
end
return 1
`;

/** KEYS 1 sorted set of channels by the time of their last mark. ARGV channels. */
export const ARCHIVE_MARK = `${NOW}
for _, channel in ipairs(ARGV) do redis.call('ZADD', KEYS[1], now, channel) end
return #ARGV
`;

/** KEYS 1 as above. ARGV 1 age in ms, 2 how many. Returns {channel, mark, ...}. */
export const ARCHIVE_MARKED = `${NOW}
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1], 'WITHSCORES', 'LIMIT', 0, ARGV[2])
`;

/** KEYS 1 as above. ARGV 1 channel, 2 its mark. */
export const ARCHIVE_SETTLE = `
if redis.call('ZSCORE', KEYS[1], ARGV[1]) == ARGV[2] then return redis.call('ZREM', KEYS[1], ARGV[1]) end
return 0
`;
