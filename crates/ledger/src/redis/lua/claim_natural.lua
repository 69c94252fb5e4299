-- KEYS: meta, long, then one bucket per claim. ARGV per claim: natural key, owner, owner's field and full id (if the field is a hash, '#...').
-- Answer: the owner of each.
local owners = {}
for i = 3, #KEYS do
  local at = (i - 3) * 4 + 1
  if redis.call('HSETNX', KEYS[i], ARGV[at], ARGV[at + 1]) == 1 and string.sub(ARGV[at + 2], 1, 1) == '#' then
    redis.call('HSET', KEYS[2], ARGV[at + 2], ARGV[at + 3])
  end
  owners[#owners + 1] = redis.call('HGET', KEYS[i], ARGV[at])
end
return owners
