-- KEYS: meta, locks. ARGV: 'take', 'renew' or 'free', name, owner, fence (renew, free), milliseconds (take, renew).
-- Answer: the fence, or nil if it is not to be had, or lost.
local name, owner, ttl = ARGV[2], ARGV[3], tonumber(ARGV[5])
local function hold(fence)
  local until_ = string.format('%.0f', now + ttl)
  redis.call('HSET', KEYS[2], name, string.format('%.0f', fence) .. ' ' .. until_ .. ' ' .. owner)
  return fence
end
local fence, until_, holder = string.match(redis.call('HGET', KEYS[2], name) or '', '^(%d+) (%d+) (.*)$')
local held = fence and tonumber(until_) > now
if ARGV[1] == 'take' then
  -- In a young epoch the ledger may have forgotten a holder: wait until every lock of the old one must have ended.
  if held or (epoch > 1 and now < epoch_since + ttl) then
    return false
  end
  return hold(draw_fence())
end
if not held or fence ~= ARGV[4] or holder ~= owner then
  return false
end
if ARGV[1] == 'renew' then
  return hold(tonumber(fence))
end
redis.call('HDEL', KEYS[2], name)
return tonumber(fence)
