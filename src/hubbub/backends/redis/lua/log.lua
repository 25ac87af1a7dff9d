-- Logs. A log is a hash (its epoch, head and what is kept), a stream, and for each session that wrote to it the
-- message ids it used. The id of an entry is OFFSET-MILLISECONDS, so that its age needs no field.
-- The keys of a log have one hash tag: KEYS are the hash BASE:m and the stream BASE:s; the others begin with BASE, too.

-- Milliseconds after which a log that nobody wrote to is forgotten, with its epoch and last offset.
local WRITTEN = 30 * 86400000
local EMPTY = 86400000
-- How seldom the time to live of keys is set anew.
local REFRESH = 60000

-- Milliseconds: the server's own, which all nodes share, or those of a test.
local function clock(given)
  if given ~= '' then
    return tonumber(given)
  end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function base_of(meta)
  return string.sub(meta, 1, -3)
end

-- The process of the server that this is: another one may have been restored from less than was answered for.
local process
local function process_id()
  process = process or string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  return process
end

-- Whether this server was a replica when another one gave out the offsets.
local function was_promoted()
  return not string.find(redis.call('INFO', 'replication'), 'master_replid2:0+%s')
end

-- Sets what the log is called by whoever has a position in it.
local function name_epoch(keys, log, epoch)
  log.epoch = epoch
  redis.call('HSET', keys[1], 'e', epoch, 'p', process_id())
end

-- The log as it stands; one that is not there is begun, in a new epoch. ARGV: now, candidate for an epoch, whether the
-- server keeps everything that it answered for, over a restart too. Where it does not, another process is another epoch:
-- what is there goes on, but records may be missing at its end, and their offsets are given out again.
local function open(keys, now, args, age)
  local meta = redis.call('HMGET', keys[1], 'e', 'h', 'b', 'o', 'l', 'x', 'p', 'd', 'w')
  if not meta[1] then
    redis.call('UNLINK', keys[2])
    local log = {head = 0, count = 0, bytes = 0, windows = args[2]}
    name_epoch(keys, log, args[2])
    redis.call('HSET', keys[1], 'h', 0, 'd', args[3], 'w', args[2])
    redis.call('PEXPIRE', keys[1], EMPTY)
    return log
  end
  local log = {
    epoch = meta[1], head = tonumber(meta[2]), count = redis.call('XLEN', keys[2]), bytes = tonumber(meta[3] or 0),
    oldest = tonumber(meta[4] or 0), last = tonumber(meta[5] or 0), refreshed = tonumber(meta[6] or nil),
    windows = meta[9]
  }
  if meta[7] ~= process_id() then
    local is_whole = meta[8] == '1' and args[3] == '1' and not was_promoted()
    name_epoch(keys, log, is_whole and log.epoch or args[2])
  end
  if meta[8] ~= args[3] then
    redis.call('HSET', keys[1], 'd', args[3])
  end
  if log.count > 0 and log.last <= now - age then
    redis.call('UNLINK', keys[2])
    log.count = 0
  end
  if log.count == 0 then
    log.bytes = 0
  end
  return log
end

local function save(keys, log)
  redis.call('HSET', keys[1], 'h', log.head, 'b', log.bytes, 'o', log.oldest or 0, 'l', log.last or 0,
    'x', log.refreshed or 0)
end

-- Drops the oldest records until what is kept is within the retention. The newest is only ever too old.
local function trim(keys, log, now, messages, size, age)
  while log.count > 0 do
    local entries = redis.call('XRANGE', keys[2], '-', '+', 'COUNT', 64)
    local dropped, kept
    for _, entry in ipairs(entries) do
      local offset, at = string.match(entry[1], '(%d+)-(%d+)')
      at = tonumber(at)
      if log.count <= messages and (log.bytes <= size or log.count == 1) and at > now - age then
        log.oldest, kept = at, true
        break
      end
      dropped = offset
      log.count, log.bytes = log.count - 1, log.bytes - #entry[2][2]
    end
    if dropped then
      redis.call('XTRIM', keys[2], 'MINID', '=', dropped + 1)
    end
    if kept then
      return
    end
  end
end

-- Where a session's message ids are: two generations, so that the oldest go without an order being kept.
local function window_of(keys, log, session, most)
  local window = {new = base_of(keys[1]) .. ':d:' .. log.windows .. ':' .. session}
  window.old = window.new .. ':o'
  if redis.call('HLEN', window.new) >= most then
    redis.call('RENAME', window.new, window.old)
  end
  window.has_old = redis.call('EXISTS', window.old) == 1
  return window
end

-- ARGV: as of `open`, then messages, bytes, milliseconds to keep, milliseconds and count of message ids, channel; then for each record: the record, session, message id, expected offset (each may be empty).
-- Answers the epoch, then for each record its offset, the negative one of the first when it is a repeat, or as a string
-- the head that was not as expected.
local function append(keys, args)
  local now = clock(args[1])
  local messages, size, age = tonumber(args[4]), tonumber(args[5]), tonumber(args[6])
  local log = open(keys, now, args, age)
  local was_empty, first = log.count == 0, log.head + 1
  local answers, records, sizes, windows = {log.epoch}, {}, {}, {}
  for i = 10, #args, 4 do
    local record, session, id, expected = args[i], args[i + 1], args[i + 2], args[i + 3]
    local window, known
    if session ~= '' then
      window = windows[session]
      if not window then
        window = window_of(keys, log, session, tonumber(args[8]))
        windows[session] = window
      end
      known = redis.call('HGET', window.new, id) or (window.has_old and redis.call('HGET', window.old, id))
    end
    if known then
      answers[#answers + 1] = -known
    elseif expected ~= '' and tonumber(expected) ~= log.head then
      answers[#answers + 1] = string.format('%.0f', log.head)
    else
      log.head = log.head + 1
      redis.call('XADD', keys[2], log.head .. '-' .. now, 'r', record)
      if window then
        redis.call('HSET', window.new, id, log.head)
        window.used = true
      end
      log.count, log.bytes = log.count + 1, log.bytes + #record
      records[#records + 1], sizes[#sizes + 1] = record, #record
      answers[#answers + 1] = log.head
    end
  end
  for _, window in pairs(windows) do
    if window.used then
      redis.call('PEXPIRE', window.new, args[7])
    end
  end
  if #records == 0 then
    return answers
  end
  log.last = now
  if was_empty then
    log.oldest = now
  end
  -- Not at every append: what is dropped is read for its size.
  if log.count > messages + messages / 8 or log.bytes > size + size / 8 or log.oldest <= now - age then
    trim(keys, log, now, messages, size, age)
  end
  if was_empty or not log.refreshed or log.refreshed + REFRESH <= now then
    redis.call('PEXPIRE', keys[1], WRITTEN + age)
    redis.call('PEXPIRE', keys[2], age + 2 * REFRESH)
    log.refreshed = now
  end
  save(keys, log)
  redis.call('SPUBLISH', args[9], table.concat({'1', log.epoch, first, table.concat(sizes, ',')}, ':') .. '\n'
    .. table.concat(records))
  return answers
end

-- ARGV: as of `open`, then milliseconds to keep, after, before or nothing, limit, whether the newest.
-- Answers epoch, oldest offset, head, whether complete, then offset and record of each.
local function read(keys, args)
  local now, age, limit = clock(args[1]), tonumber(args[4]), tonumber(args[7])
  local log = open(keys, now, args, age)
  if log.count > 0 and log.oldest <= now - age then
    trim(keys, log, now, math.huge, math.huge, age)
    save(keys, log)
  end
  local from = string.format('%.0f', args[5] + 1)
  local to = args[6] == '' and '+' or string.format('%.0f', args[6] - 1)
  local entries, is_backward = {}, args[8] == '1'
  if log.count > 0 and (args[6] == '' or tonumber(args[6]) > 0) then
    if is_backward then
      entries = redis.call('XREVRANGE', keys[2], to, from, 'COUNT', limit + 1)
    else
      entries = redis.call('XRANGE', keys[2], from, to, 'COUNT', limit + 1)
    end
  end
  local complete = #entries <= limit
  if not complete then
    entries[#entries] = nil
  end
  local answers = {log.epoch, log.head - log.count + 1, log.head, complete and 1 or 0}
  for i = 1, #entries do
    local entry = entries[is_backward and #entries + 1 - i or i]
    answers[#answers + 1] = tonumber(string.match(entry[1], '%d+'))
    answers[#answers + 1] = entry[2][2]
  end
  return answers
end

-- ARGV: as of `open`. Answers epoch and head.
local function head(keys, args)
  local log = open(keys, 0, args, math.huge)
  if log.head == 0 then
    redis.call('PEXPIRE', keys[1], EMPTY)
  end
  return {log.epoch, log.head}
end

-- ARGV: the session whose message ids are of no more use.
local function forget(keys, args)
  local windows = redis.call('HGET', keys[1], 'w')
  if windows then
    local window = base_of(keys[1]) .. ':d:' .. windows .. ':' .. args[1]
    redis.call('UNLINK', window, window .. ':o')
  end
  return 0
end

register('append', append)
register('read', read, {'allow-oom'})
register('head', head, {'allow-oom'})
register('forget', forget, {'allow-oom'})
