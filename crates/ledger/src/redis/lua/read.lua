-- KEYS: meta, then one bucket per row. ARGV: '1' to draw a fence, then one field per row.
-- Answer: time, epoch, its beginning, fence, rows (nil where there is none).
local fence = 0
if ARGV[1] == '1' then
  fence = draw_fence()
end
local rows = {}
for i = 2, #KEYS do
  rows[i - 1] = redis.call('HGET', KEYS[i], ARGV[i])
end
return { now, epoch, epoch_since, fence, rows }
