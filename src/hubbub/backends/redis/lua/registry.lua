-- Nodes and leases: a hash of nodes with the time until which each lives, and a hash for each lease.
-- KEYS is the prefix of all, with one hash tag. ARGV[1] is the now of a test in milliseconds, else empty.

-- Milliseconds for which a lease that nobody has is remembered, so that its fence only grows.
local REMEMBERED = 7 * 86400000

local function clock(given)
  if given ~= '' then
    return tonumber(given)
  end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The record of a node that lives.
local function living(base, name, now)
  local found = redis.call('HGET', base .. ':nodes', name)
  local till, record = string.match(found or '', '^(%d+) (.*)$')
  return till and tonumber(till) > now and record or nil
end

-- ARGV: now, name, run, milliseconds to live, record in JSON. Answers 0 when another run has the name.
local function announce(keys, args)
  local now = clock(args[1])
  local known = living(keys[1], args[2], now)
  if known and cjson.decode(known).run ~= args[3] then
    return 0
  end
  redis.call('HSET', keys[1] .. ':nodes', args[2], string.format('%.0f', now + args[4]) .. ' ' .. args[5])
  return 1
end

-- ARGV: now, name, run.
local function withdraw(keys, args)
  local known = living(keys[1], args[2], clock(args[1]))
  if known and cjson.decode(known).run == args[3] then
    redis.call('HDEL', keys[1] .. ':nodes', args[2])
  end
  return 0
end

-- ARGV: now. Answers the records of the nodes that live.
local function nodes(keys, args)
  local answers, now = {}, clock(args[1])
  for _, name in ipairs(redis.call('HKEYS', keys[1] .. ':nodes')) do
    local record = living(keys[1], name, now)
    if record then
      answers[#answers + 1] = record
    else
      redis.call('HDEL', keys[1] .. ':nodes', name)
    end
  end
  return answers
end

local function lease_of(base, name)
  return base .. ':l:' .. name
end

-- ARGV: now, name, holder, milliseconds. Answers the fence, or nothing while another has it.
local function lease(keys, args)
  local now, key, holder = clock(args[1]), lease_of(keys[1], args[2]), args[3]
  local held = redis.call('HMGET', key, 'holder', 'fence', 'until')
  local fence = tonumber(held[2] or 0)
  if held[1] and tonumber(held[3]) > now then
    if held[1] ~= holder then
      return nil
    end
  else
    -- Not below the time, so that it grows also when the server was restarted empty.
    fence = math.max(fence + 1, now)
  end
  redis.call('HSET', key, 'holder', holder, 'fence', string.format('%.0f', fence), 'until', string.format('%.0f', now + args[4]))
  redis.call('PEXPIRE', key, args[4] + REMEMBERED)
  return fence
end

-- ARGV: now, name, holder, fence.
local function release(keys, args)
  local key = lease_of(keys[1], args[2])
  local held = redis.call('HMGET', key, 'holder', 'fence')
  if held[1] == args[3] and held[2] == args[4] then
    redis.call('HDEL', key, 'holder')
  end
  return 0
end

register('announce', announce)
register('withdraw', withdraw, {'allow-oom'})
register('nodes', nodes, {'allow-oom'})
register('lease', lease)
register('release', release, {'allow-oom'})
