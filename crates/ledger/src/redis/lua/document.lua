-- KEYS: meta, documents. ARGV: name. Answer: time, epoch, its beginning, "version body" or nil.
return { now, epoch, epoch_since, redis.call('HGET', KEYS[2], ARGV[1]) }
