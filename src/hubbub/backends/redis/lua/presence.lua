-- Presence: for each space a sorted set of its users in the order they came, for each user there a hash of sessions and
-- the nodes they belong to, and for each node the set of its entries. KEYS is the prefix of all, with one hash tag.

local function users_of(base, space)
  return base .. ':u:' .. space
end

local function sessions_of(base, space, user)
  return base .. ':s:' .. #space .. ':' .. space .. user
end

local function entries_of(base, node)
  return base .. ':e:' .. node
end

local function pack(space, user, session)
  return #space .. ':' .. #user .. ':' .. space .. user .. session
end

local function unpack_entry(entry)
  local size, next_size, from = string.match(entry, '^(%d+):(%d+):()')
  local middle = from + size
  local rest = middle + next_size
  return string.sub(entry, from, middle - 1), string.sub(entry, middle, rest - 1), string.sub(entry, rest)
end

-- ARGV: space, user, session, node, limit or nothing. Answers whether it is the user's first, and the users there.
local function join(keys, args)
  local base, space, user, session, node = keys[1], args[1], args[2], args[3], args[4]
  local users, sessions = users_of(base, space), sessions_of(base, space, user)
  local first = not redis.call('ZSCORE', users, user)
  if first then
    if args[5] ~= '' and redis.call('ZCARD', users) >= tonumber(args[5]) then
      return nil
    end
    redis.call('ZADD', users, redis.call('INCR', base .. ':n'), user)
  end
  local holder = redis.call('HGET', sessions, session)
  if holder ~= node then
    local entry = pack(space, user, session)
    if holder then
      redis.call('SREM', entries_of(base, holder), entry)
    end
    redis.call('HSET', sessions, session, node)
    redis.call('SADD', entries_of(base, node), entry)
    redis.call('SADD', base .. ':nodes', node)
  end
  return {first and 1 or 0, redis.call('ZCARD', users)}
end

-- Answers whether it was the user's last, and the users there.
local function take_out(base, space, user, session, node)
  local users, sessions = users_of(base, space), sessions_of(base, space, user)
  local last = 0
  if redis.call('HGET', sessions, session) == node then
    redis.call('HDEL', sessions, session)
    redis.call('SREM', entries_of(base, node), pack(space, user, session))
    if redis.call('EXISTS', sessions) == 0 then
      redis.call('ZREM', users, user)
      last = 1
    end
  end
  return {last, redis.call('ZCARD', users)}
end

-- ARGV: space, user, session, node.
local function leave(keys, args)
  return take_out(keys[1], args[1], args[2], args[3], args[4])
end

-- ARGV: space, limit. Answers how many users there are, then the users.
local function members(keys, args)
  local users = users_of(keys[1], args[1])
  local found = {}
  if tonumber(args[2]) > 0 then
    found = redis.call('ZRANGE', users, 0, args[2] - 1)
  end
  return {redis.call('ZCARD', users), found}
end

-- ARGV: node, how many entries at once. Answers whether there are more, then space, user and count of each departure.
local function drop(keys, args)
  local base, node = keys[1], args[1]
  local answers = {0}
  for _, entry in ipairs(redis.call('SRANDMEMBER', entries_of(base, node), args[2])) do
    local space, user, session = unpack_entry(entry)
    local left = take_out(base, space, user, session, node)
    redis.call('SREM', entries_of(base, node), entry)
    if left[1] == 1 then
      answers[#answers + 1] = {space, user, left[2]}
    end
  end
  if redis.call('EXISTS', entries_of(base, node)) == 1 then
    answers[1] = 1
  else
    redis.call('SREM', base .. ':nodes', node)
  end
  return answers
end

-- Answers the nodes that have entries, or had some once.
local function holders(keys)
  return redis.call('SMEMBERS', keys[1] .. ':nodes')
end

register('join', join)
register('leave', leave, {'allow-oom'})
register('members', members, {'allow-oom'})
register('drop', drop, {'allow-oom'})
register('holders', holders, {'allow-oom'})
