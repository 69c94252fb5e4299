-- Stands alone: there is nothing to guard yet. KEYS: meta. ARGV: format, migration, buckets.
-- Answer: format and buckets, of the ledger that was there or of the new one.
if redis.call('EXISTS', KEYS[1]) == 0 then
  local live = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') .. '.'
    .. string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
  local clock = redis.call('TIME')
  local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  redis.call('HSET', KEYS[1], 'format', ARGV[1], 'migration', ARGV[2], 'buckets', ARGV[3], 'identity', live, 'epoch', 1,
    'epoch_since', now, 'fence', 0)
end
return redis.call('HMGET', KEYS[1], 'format', 'buckets')
