/**
 * What the channel's scripts have in common. In the head: `epoch`, `seq`, `ts` and `lamport` of the last message, `first` seq that the
 * stream has, `id` of its newest message, `look` (when ages are looked at next); `archived` and `backlog` (archive-scripts.ts).
 *
 * first_of(entry): number of its first message. Entries of former versions hold one, under its own number, with `f` in place of `r`.
 */
export const ENTRIES = `
local function text(number) return string.format('%.0f', number) end
local function first_of(entry)
  return tonumber(string.match(entry[2][1] == 'r' and entry[2][8] or entry[1], '^%d+'))
end
local function oldest_of(stream) return redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1] end
`;

/**
 * Appends messages to a channel, as one entry of its stream under the number of the last. The messages are one opaque string, stored and
 * told as it is: whoever reads them puts the numbers in (message-run.ts). Redis's Lua hashes every byte of each string that it makes, so
 * per message it makes no more than the name by which duplicates are found.
 *
 * KEYS  1 head (hash) · 2 stream · 3 keys seen lately · 4 keys seen before that; all with the channel's hash tag
 * ARGV  1 epoch for a new life of the sequence · 2, 3 epoch and seq that the node has seen · 4 messages kept
 *       5 life of a set of keys, ms · 6 sharded pub/sub channel · 7 node · 8 names · 9 marks · 10 messages · 11, 12 least server_ts and
 *       lamport of the last (all batch.ts) · 13 age in ms above which messages go, 0: at no age · 14 now, Unix ms ·
 *       15 messages kept beyond 4 until they are archived, empty: this node does not archive
 *
 * Returns {epoch, first seq, server_ts and lamport before it, then "INDEX SEQ ID SERVER_TS LAMPORT" of each duplicate}.
 *
 * A sequence that the node has seen further than it goes was set back: a failover lost what was not replicated, or a restart
 * what was not synced. It goes on above what was seen, in a new epoch, so that nobody is given another message under a number that
 * was used. server_ts never falls and lamport always rises along a channel, whatever the nodes' clocks do.
 *
 * A name's value is the first result, "SEQ ID SERVER_TS LAMPORT", or, of a batch without duplicates, the batch's first seq: then `b`, `n`
 * and `m` with that number have server_ts and lamport before it, its names and its marks (no name lacks a NUL). They go with their set.
 *
 * Messages that are too old are looked for once a second, with an append, in steps that double, as server_ts never falls; where nothing
 * is appended any more, all go with the stream. Where the channel is archived, what was not yet stays, up to `backlog` messages.
 */
export const APPEND = `${ENTRIES}
local head = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'ts', 'lamport', 'first', 'look', 'archived', 'backlog')
local epoch, seq = head[1], tonumber(head[2] or '0')
local ts, lamport = tonumber(head[3] or '0'), tonumber(head[4] or '0')
local changed = false
if not epoch then epoch, changed = ARGV[1], true end
local seen = tonumber(ARGV[3])
if ARGV[2] ~= '' and seen > seq and (ARGV[2] == epoch or changed) then epoch, seq, changed = ARGV[1], seen, true end

local function mark(marks, i) return struct.unpack('>c20dd', marks, i * 36 - 35) end
local batches = {}
local function results_of(set, batch)
  if batches[batch] then return batches[batch] end
  local stored = redis.call('HMGET', set, 'b' .. batch, 'n' .. batch, 'm' .. batch)
  local t, l = string.match(stored[1], '^(%d+) (%d+)$')
  t, l = tonumber(t), tonumber(l)
  local results = {}
  for i, name in ipairs(cmsgpack.unpack(stored[2])) do
    local id, ts, lamport = mark(stored[3], i)
    t, l = math.max(t, ts), math.max(l + 1, lamport)
    results[name] = text(tonumber(batch) + i - 1) .. ' ' .. string.match(id, '%d+') .. ' ' .. text(t) .. ' ' .. text(l)
  end
  batches[batch] = results
  return results
end

local names = cmsgpack.unpack(ARGV[8])
local count = #names
local known, repeated = {}, false
for _, set in ipairs({KEYS[4], KEYS[3]}) do
  if redis.call('EXISTS', set) == 1 then
    for i = 1, count, 1000 do
      local found = redis.call('HMGET', set, unpack(names, i, math.min(i + 999, count)))
      for j = 1, #found do
        local value, name = found[j], names[i + j - 1]
        if value then known[name], repeated = string.find(value, ' ', 1, true) and value or results_of(set, value)[name], true end
      end
    end
  end
end
if not repeated then
  local here = {}
  for i = 1, count do
    if here[names[i]] then repeated = true end
    here[names[i]] = true
  end
end

local first, n, skipped, last_id = seq + 1, 0, '-', nil
local place = text(ts) .. ' ' .. text(lamport)
local out = {epoch, text(first), text(ts), text(lamport)}
local fields = {}
if repeated or count < 8 then
  local skips = {}
  for i = 1, count do
    local name = names[i]
    if known[name] then
      skips[#skips + 1] = i - 1
      out[#out + 1] = i .. ' ' .. known[name]
    else
      local id, t, l = mark(ARGV[9], i)
      last_id = string.match(id, '%d+')
      n, seq, ts, lamport = n + 1, seq + 1, math.max(ts, t), math.max(lamport + 1, l)
      known[name] = text(seq) .. ' ' .. last_id .. ' ' .. text(ts) .. ' ' .. text(lamport)
      fields[n * 2 - 1], fields[n * 2] = name, known[name]
    end
  end
  if #skips > 0 then skipped = table.concat(skips, ',') end
else
  local batch = text(first)
  for i = 1, count do fields[i * 2 - 1], fields[i * 2] = names[i], batch end
  redis.call('HSET', KEYS[3], 'b' .. batch, place, 'n' .. batch, ARGV[8], 'm' .. batch, ARGV[9])
  local id = mark(ARGV[9], count)
  last_id = string.match(id, '%d+')
  n, seq, ts, lamport = count, seq + count, math.max(ts, tonumber(ARGV[11])), math.max(lamport + count, tonumber(ARGV[12]))
end
if n == 0 then
  if changed then redis.call('HSET', KEYS[1], 'epoch', epoch, 'seq', text(seq), 'ts', text(ts), 'lamport', text(lamport)) end
  return out
end

for i = 1, n * 2, 2000 do redis.call('HSET', KEYS[3], unpack(fields, i, math.min(i + 1999, n * 2))) end
if redis.call('PTTL', KEYS[3]) < 0 then redis.call('PEXPIRE', KEYS[3], ARGV[5]) end
local oldest = tonumber(head[5])
if redis.call('EXISTS', KEYS[2]) == 0 then oldest = first end
if not oldest then oldest = first_of(oldest_of(KEYS[2])) end
place = text(first) .. ' ' .. place .. ' ' .. skipped
redis.call('XADD', KEYS[2], text(seq) .. '-0', 'r', ARGV[10], 't', text(ts), 'i', last_id, 'b', place)

local keep, age, now = tonumber(ARGV[4]), tonumber(ARGV[13]), tonumber(ARGV[14])
local look = tonumber(head[6] or '0')
local cut, waiting, archiving = seq - keep + 1, first, head[7] or ARGV[15] ~= ''
if archiving then
  local archived_epoch, archived = string.match(head[7] or '', '^(%S+) (%d+)$')
  waiting = archived_epoch == epoch and math.min(tonumber(archived) + 1, first) or oldest
  cut = math.max(math.min(cut, waiting), cut - tonumber(head[8] or ARGV[15]))
end
-- Some at a time, because what is the oldest then is to be looked at.
if cut - oldest > keep / 64 then
  if redis.call('XTRIM', KEYS[2], 'MINID', '~', text(cut)) > 0 then oldest = first_of(oldest_of(KEYS[2])) end
end
if age > 0 and not archiving then redis.call('PEXPIRE', KEYS[2], age) else redis.call('PERSIST', KEYS[2]) end
if age > 0 and (now >= look or look > now + 1000) then
  look = now + 1000
  local function at(from) return redis.call('XRANGE', KEYS[2], text(from), '+', 'COUNT', 1)[1] end
  local entry, cut = at(oldest), oldest
  while cut < waiting and tonumber(entry[2][4]) < now - age do
    local last = tonumber(string.match(entry[1], '^%d+'))
    if last >= waiting then break end
    cut = last + 1
    entry = at(math.min(2 * cut - oldest, waiting) - 1)
  end
  if cut > oldest then
    redis.call('XTRIM', KEYS[2], 'MINID', text(cut))
    oldest = first_of(oldest_of(KEYS[2]))
  end
end

redis.call('HSET', KEYS[1], 'epoch', epoch, 'seq', text(seq), 'ts', text(ts), 'lamport', text(lamport), 'first', text(oldest),
  'id', last_id, 'look', text(look))
redis.call('SPUBLISH', ARGV[6], ARGV[7] .. ' ' .. epoch .. ' ' .. text(lamport) .. ' ' .. place .. '\\n' .. ARGV[10])
return out
`;
