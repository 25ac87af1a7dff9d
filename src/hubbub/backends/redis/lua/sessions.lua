-- Sessions: a hash for each by its digest, a set of digests for each user, and one digest for each connection.
-- KEYS is the prefix of all of them, with one hash tag. A time to live counts from the server's now, so that the
-- clocks of nodes may differ; ARGV[1] is the now of a test, else empty.

local FIELDS = {'key', 'user', 'connection', 'created', 'expires', 'state', 'fence'}

local function hash_of(base, digest)
  return base .. ':d:' .. digest
end

local function find(base, digest, now)
  local found = redis.call('HMGET', hash_of(base, digest), unpack(FIELDS))
  if not found[1] then
    return nil
  end
  return found, now ~= '' and tonumber(found[5]) <= tonumber(now)
end

local function take_out(base, digest, found)
  redis.call('UNLINK', hash_of(base, digest))
  redis.call('SREM', base .. ':u:' .. found[2], digest)
  local connection = base .. ':c:' .. found[3]
  if found[3] ~= '' and redis.call('GET', connection) == digest then
    redis.call('UNLINK', connection)
  end
end

-- ARGV: now, digest, milliseconds to live, then FIELDS. Answers 0 when a newer fence is stored.
local function save(keys, args)
  local base, digest, ttl = keys[1], args[2], tonumber(args[3])
  local found, expired = find(base, digest, args[1])
  if found then
    if not expired and tonumber(args[10]) < tonumber(found[7]) then
      return 0
    end
    if expired or ttl <= 0 or found[2] ~= args[5] or found[3] ~= args[6] then
      take_out(base, digest, found)
    end
  end
  if ttl <= 0 then
    return 1
  end
  local fields = {}
  for i, name in ipairs(FIELDS) do
    fields[2 * i - 1], fields[2 * i] = name, args[3 + i]
  end
  redis.call('HSET', hash_of(base, digest), unpack(fields))
  redis.call('PEXPIRE', hash_of(base, digest), ttl)
  local user = base .. ':u:' .. args[5]
  redis.call('SADD', user, digest)
  -- As long as the session of it that lives longest.
  if redis.call('PTTL', user) < ttl then
    redis.call('PEXPIRE', user, ttl)
  end
  if args[6] ~= '' then
    redis.call('SET', base .. ':c:' .. args[6], digest, 'PX', ttl)
  end
  return 1
end

local function answer(base, digest, now)
  local found, expired = find(base, digest, now)
  if not found or expired then
    return nil
  end
  found[8] = digest
  return found
end

-- ARGV: now, digest. Answers FIELDS and the digest, or nothing.
local function load(keys, args)
  return answer(keys[1], args[2], args[1])
end

-- ARGV: now, digest.
local function delete(keys, args)
  local found = find(keys[1], args[2], args[1])
  if found then
    take_out(keys[1], args[2], found)
  end
  return 0
end

-- ARGV: now, user. Answers what `load` does for each.
local function of_user(keys, args)
  local answers, user = {}, keys[1] .. ':u:' .. args[2]
  for _, digest in ipairs(redis.call('SMEMBERS', user)) do
    local found = answer(keys[1], digest, args[1])
    if found then
      answers[#answers + 1] = found
    else
      redis.call('SREM', user, digest)
    end
  end
  return answers
end

-- ARGV: now, connection.
local function of_connection(keys, args)
  local digest = redis.call('GET', keys[1] .. ':c:' .. args[2])
  return digest and answer(keys[1], digest, args[1]) or nil
end

register('session_save', save)
register('session_load', load, {'allow-oom'})
register('session_delete', delete, {'allow-oom'})
register('sessions_of_user', of_user, {'allow-oom'})
register('session_of_connection', of_connection, {'allow-oom'})
