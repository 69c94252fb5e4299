-- KEYS: meta, counts, due, long, then one bucket per change.
-- ARGV: epoch, deadline ('' for none), then per change: field, expected ('' for no row), new, due ('=' same, '-' gone, or a time),
-- member, full id (if the field is a hash, '#...', of a new row), number of counters, then name and amount of each.
-- Answer: 'other_epoch', 'late', or 'done'; and per change '1' (applied) or '0' (the row was something else).
if epoch ~= tonumber(ARGV[1]) then
  return { 'other_epoch', '' }
end
if ARGV[2] ~= '' and now > tonumber(ARGV[2]) then
  return { 'late', '' }
end
local at, applied, totals, any = 3, {}, {}, false
for i = 5, #KEYS do
  local field, expected, new, due, member, id = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
  local counters = tonumber(ARGV[at + 6])
  at = at + 7
  if (redis.call('HGET', KEYS[i], field) or '') == expected then
    redis.call('HSET', KEYS[i], field, new)
    if due == '-' then
      redis.call('ZREM', KEYS[3], member)
    elseif due ~= '=' then
      redis.call('ZADD', KEYS[3], due, member)
    end
    if expected == '' and string.sub(field, 1, 1) == '#' then
      redis.call('HSET', KEYS[4], field, id)
    end
    for j = at, at + 2 * counters - 2, 2 do
      totals[ARGV[j]] = (totals[ARGV[j]] or 0) + tonumber(ARGV[j + 1])
    end
    applied[#applied + 1], any = '1', true
  else
    applied[#applied + 1] = '0'
  end
  at = at + 2 * counters
end
for name, amount in pairs(totals) do
  if amount ~= 0 then
    redis.call('HINCRBY', KEYS[2], name, amount)
  end
end
if any then
  redis.call('HINCRBY', KEYS[2], 'swaps', 1)
end
return { 'done', table.concat(applied) }
