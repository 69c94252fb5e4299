-- KEYS: meta, documents. ARGV: name, expected version ('' if it must not exist), body. Answer: the new version, or nil.
local found = redis.call('HGET', KEYS[2], ARGV[1])
local version = found and string.match(found, '^(%d+) ') or ''
if version ~= ARGV[2] then
  return false
end
local new = string.format('%.0f', after(version))
redis.call('HSET', KEYS[2], ARGV[1], new .. ' ' .. ARGV[3])
return new
