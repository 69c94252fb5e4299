-- Put before every script. KEYS[1] is the meta hash.
--
-- The server's run id changes with every start, its replication id with every promotion of a replica: either means that
-- acknowledged writes may be gone. Then a new epoch begins, here and now, before the script does anything.
-- Numbers in this language are doubles: only times, counters and amounts are treated as numbers, never an id.
local live = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') .. '.'
  .. string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local known = redis.call('HMGET', KEYS[1], 'identity', 'epoch', 'epoch_since')
if not known[1] then
  return redis.error_reply('EMPTY no such ledger')
end
local epoch, epoch_since = tonumber(known[2]), tonumber(known[3])

local function start_epoch()
  epoch, epoch_since = epoch + 1, now
  redis.call('HSET', KEYS[1], 'identity', live, 'epoch', epoch, 'epoch_since', now)
end

if known[1] ~= live then
  start_epoch()
end

-- The number after `last`: at least the time, so that one that was handed out and lost is never handed out again.
local function after(last)
  return math.max((tonumber(last) or 0) + 1, now)
end

local function draw_fence()
  local fence = after(redis.call('HGET', KEYS[1], 'fence'))
  redis.call('HSET', KEYS[1], 'fence', fence)
  return fence
end
