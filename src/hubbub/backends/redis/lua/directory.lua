-- The directory: one hash of facts by name.

local function get(keys, args)
  return redis.call('HGET', keys[1], args[1])
end

local function put(keys, args)
  redis.call('HSET', keys[1], args[1], args[2])
  return 0
end

-- Answers 1 if the name was free.
local function create(keys, args)
  return redis.call('HSETNX', keys[1], args[1], args[2])
end

local function delete(keys, args)
  redis.call('HDEL', keys[1], args[1])
  return 0
end

-- ARGV: what the names begin with.
local function names(keys, args)
  local answers, prefix = {}, args[1]
  for _, name in ipairs(redis.call('HKEYS', keys[1])) do
    if string.sub(name, 1, #prefix) == prefix then
      answers[#answers + 1] = name
    end
  end
  return answers
end

register('fact_get', get, {'no-writes', 'allow-oom'})
register('fact_put', put)
register('fact_create', create)
register('fact_delete', delete, {'allow-oom'})
register('fact_names', names, {'no-writes', 'allow-oom'})
