-- Snapshots of one document: a hash of their content by epoch and revision, and a list of them in the order in which they
-- were saved. KEYS are the two, with one hash tag.

local function name_of(epoch, revision)
  return epoch .. ' ' .. revision
end

-- The place of a snapshot in the list, and the list: its entries are EPOCH REVISION AT.
local function find(keys, epoch, revision)
  local entries = redis.call('LRANGE', keys[2], 0, -1)
  local head = name_of(epoch, revision) .. ' '
  for place, entry in ipairs(entries) do
    if string.sub(entry, 1, #head) == head then
      return place, entries
    end
  end
  return nil, entries
end

local function content(keys, entry)
  if not entry then
    return nil
  end
  local epoch, revision, at = string.match(entry, '^(%S+) (%d+) (%S+)$')
  local packed = redis.call('HGET', keys[1], name_of(epoch, revision))
  if not packed then
    return nil
  end
  return {epoch, revision, at, packed}
end

-- ARGV: epoch, revision, at, content.
local function save(keys, args)
  local place, entries = find(keys, args[1], args[2])
  if place then
    redis.call('LREM', keys[2], 1, entries[place])
  end
  redis.call('HSET', keys[1], name_of(args[1], args[2]), args[4])
  redis.call('RPUSH', keys[2], name_of(args[1], args[2]) .. ' ' .. args[3])
  return 0
end

-- Answers epoch, revision, at and content, or nothing.
local function latest(keys)
  return content(keys, redis.call('LINDEX', keys[2], -1))
end

-- ARGV: epoch, revision.
local function before(keys, args)
  local best, best_entry = -1, nil
  for _, entry in ipairs(redis.call('LRANGE', keys[2], 0, -1)) do
    local epoch, revision = string.match(entry, '^(%S+) (%d+) ')
    revision = tonumber(revision)
    if epoch == args[1] and revision <= tonumber(args[2]) and revision > best then
      best, best_entry = revision, entry
    end
  end
  return content(keys, best_entry)
end

-- Answers the entries of the list.
local function saved(keys)
  return redis.call('LRANGE', keys[2], 0, -1)
end

-- ARGV: epoch, revision: those saved before it go.
local function drop(keys, args)
  local place, entries = find(keys, args[1], args[2])
  for number = 1, (place or 1) - 1 do
    redis.call('HDEL', keys[1], string.match(entries[number], '^(%S+ %d+) '))
    redis.call('LPOP', keys[2])
  end
  return 0
end

register('snapshot_save', save)
register('snapshot_latest', latest, {'no-writes', 'allow-oom'})
register('snapshot_before', before, {'no-writes', 'allow-oom'})
register('snapshots_saved', saved, {'no-writes', 'allow-oom'})
register('snapshots_drop', drop, {'allow-oom'})
