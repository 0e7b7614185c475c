/**
 * What Redis does in one step. A script may run twice for one call (the connection broke before the answer came), so each gives
 * the same answer the second time.
 */

interface Script {
  readonly keys: number;
  readonly lua: string;
}

/**
 * Appends messages to a channel. What Lua makes of strings is what a message costs: Redis's Lua hashes every byte of each, so a frame is
 * put together at once, and numbers (all below 2^53) are written as integers.
 *
 * KEYS  1 head (hash) · 2 stream · 3 keys seen lately · 4 keys seen before that; all with the channel's hash tag
 * ARGV  1 epoch for a new life of the sequence · 2, 3 epoch and seq that the node has seen · 4 messages kept
 *       5 life of a set of keys, ms · 6 sharded pub/sub channel · 7 node · 8 the messages (append-args.ts): of each sender, key, id,
 *       server_ts, lamport, first byte of the frame, and the header line cut at its three numbers: before server_seq, before
 *       server_ts, before lamport, behind it with newline and body · 9 age in ms above which messages go, 0: at no age · 10 now, Unix ms
 *
 * Returns {epoch, then for each message "D SEQ ID SERVER_TS LAMPORT"}, D being 1 for a duplicate.
 *
 * A sequence that the node has seen further than it goes was set back: a failover lost what was not replicated, or a restart
 * what was not synced. It goes on above what was seen, in a new epoch, so that nobody is given another message under a number that
 * was used. server_ts never falls and lamport always rises along a channel, whatever the nodes' clocks do.
 *
 * Messages that are too old go with the next append, a thousand at most, found in steps that double, as server_ts never falls; where
 * nothing is appended any more, all go with the stream.
 */
const APPEND = `
local head = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'ts', 'lamport')
local epoch, seq = head[1], tonumber(head[2] or '0')
local ts, lamport = tonumber(head[3] or '0'), tonumber(head[4] or '0')
local changed = false
if not epoch then
  epoch = ARGV[1]
  changed = true
end
local seen = tonumber(ARGV[3])
if ARGV[2] ~= '' and seen > seq and (ARGV[2] == epoch or changed) then
  epoch = ARGV[1]
  seq = seen
  changed = true
end
local out = {epoch}
local frames, written, names, messages = {}, {}, {}, {}
local first = seq + 1
local n, at, count = 0, 1, 0
while at <= #ARGV[8] do
  local m = {struct.unpack('>I4c0I4c0I4c0I4c0I4c0I4c0I4c0I4c0I4c0I4c0', ARGV[8], at)}
  at = m[11]
  count = count + 1
  messages[count] = m
  names[count] = m[1] .. '\\0' .. m[2]
end
local known = {}
local t, written_ts = nil, nil
for _, set in ipairs({KEYS[4], KEYS[3]}) do
  if redis.call('EXISTS', set) == 1 then
    for i = 1, count, 1000 do
      local found = redis.call('HMGET', set, unpack(names, i, math.min(i + 999, count)))
      for j = 1, #found do if found[j] then known[names[i + j - 1]] = found[j] end end
    end
  end
end
for i = 1, count do
  local m, name = messages[i], names[i]
  local result = known[name]
  if not result then
    seq = seq + 1
    ts = math.max(ts, tonumber(m[4]))
    lamport = math.max(lamport + 1, tonumber(m[5]))
    if ts ~= written_ts then t, written_ts = string.format('%d', ts), ts end
    local s, l = string.format('%d', seq), string.format('%d', lamport)
    local length = #m[7] + #s + #m[8] + #t + #m[9] + #l + #m[10]
    n = n + 1
    if length < 126 then frames[n] = m[6] .. string.char(length) .. m[7] .. s .. m[8] .. t .. m[9] .. l .. m[10]
    elseif length < 65536 then frames[n] = m[6] .. '\\126' .. struct.pack('>I2', length) .. m[7] .. s .. m[8] .. t .. m[9] .. l .. m[10]
    else frames[n] = m[6] .. '\\127' .. struct.pack('>I8', length) .. m[7] .. s .. m[8] .. t .. m[9] .. l .. m[10] end
    redis.call('XADD', KEYS[2], s .. '-0', 'f', frames[n], 't', t, 'i', m[3])
    result = s .. ' ' .. m[3] .. ' ' .. t .. ' ' .. l
    known[name] = result
    written[n * 2 - 1] = name
    written[n * 2] = result
    out[i + 1] = '0 ' .. result
  else
    out[i + 1] = '1 ' .. result
  end
end
for i = 1, n * 2, 2000 do redis.call('HSET', KEYS[3], unpack(written, i, math.min(i + 1999, n * 2))) end
local age = tonumber(ARGV[9])
if n > 0 then
  redis.call('XTRIM', KEYS[2], 'MAXLEN', '~', ARGV[4])
  if age > 0 then redis.call('PEXPIRE', KEYS[2], age) else redis.call('PERSIST', KEYS[2]) end
end
if n > 0 and age > 0 then
  local least = tonumber(ARGV[10]) - age
  local function at(from) return redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', 1)[1] end
  local oldest = at('-')
  local start = tonumber(string.match(oldest[1], '^%d+'))
  local cut, entry = start, oldest
  while entry and cut < first and cut - start < 1000 and tonumber(entry[2][4]) < least do
    cut = tonumber(string.match(entry[1], '^%d+')) + 1
    entry = at(string.format('%.0f', math.min(2 * cut - start, first, start + 1000) - 1) .. '-0')
  end
  if cut > start then redis.call('XTRIM', KEYS[2], 'MINID', string.format('%.0f', cut) .. '-0') end
end
if n > 0 or changed then
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'seq', string.format('%.0f', seq), 'ts', string.format('%.0f', ts),
    'lamport', string.format('%.0f', lamport))
end
if n > 0 then
  if redis.call('PTTL', KEYS[3]) < 0 then redis.call('PEXPIRE', KEYS[3], ARGV[5]) end
  redis.call('SPUBLISH', ARGV[6], ARGV[7] .. ' ' .. epoch .. ' ' .. string.format('%.0f', first) .. ' ' .. n .. ' '
    .. string.format('%.0f', lamport) .. '\\n' .. table.concat(frames))
end
return out
`;

/**
 * The channel's head; makes it where there is none.
 * KEYS 1 head · 2 stream. ARGV 1 epoch for a new channel, empty: do not make it. Returns {epoch, seq, oldest seq, id of the newest} or
 * nil.
 */
const OPEN = `
local head = redis.call('HMGET', KEYS[1], 'epoch', 'seq')
if not head[1] then
  if ARGV[1] == '' then return nil end
  redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'seq', '0', 'ts', '0', 'lamport', '0')
  head = {ARGV[1], '0'}
end
local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)
local first = oldest[1] and string.match(oldest[1][1], '^%d+') or string.format('%.0f', tonumber(head[2]) + 1)
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
return {head[1], head[2], first, newest[1] and newest[1][2][6] or ''}
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
 * A node's record. KEYS 1 hash node -> JSON. ARGV 1 node, 2 instance, 3 its JSON, 4 now, empty: whoever has the name. Returns nil, or the
 * living record of another instance, which stays.
 */
const NODE_ANNOUNCE = `
local held = redis.call('HGET', KEYS[1], ARGV[1])
if held and ARGV[4] ~= '' then
  local known, record = pcall(cjson.decode, held)
  if known and type(record) == 'table' and record['instance'] and record['instance'] ~= ARGV[2]
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
  sluiceSessionSwap: { keys: 1, lua: SESSION_SWAP },
  sluiceKeepIf: { keys: 1, lua: KEEP_IF },
  sluiceFieldRemove: { keys: 1, lua: FIELD_REMOVE },
  sluiceNodeAnnounce: { keys: 1, lua: NODE_ANNOUNCE },
  sluiceNodeWithdraw: { keys: 1, lua: NODE_WITHDRAW },
  sluiceWorkerTake: { keys: 1, lua: WORKER_TAKE },
  sluiceWorkerHold: { keys: 1, lua: WORKER_HOLD },
} as const satisfies Record<string, Script>;

export type ScriptName = keyof typeof SCRIPTS;
