-- Logs. A log is a hash (its epoch and where it stands), a stream, a list of marks where it can be cut, and for each
-- session that wrote to it the message ids it used. The id of an entry is OFFSET-MILLISECONDS, so that its age needs no field.
-- The keys of a log have one hash tag: KEYS are the hash BASE:m and the stream BASE:s; the others begin with BASE, too.

-- Milliseconds after which a log that nobody wrote to is forgotten, with its epoch and last offset.
local WRITTEN = 30 * 86400000
local EMPTY = 86400000
-- How seldom the time to live of keys is set anew.
local REFRESH = 60000
-- Message ids above which a hash is to be one: a short one is searched from its beginning. A value above 64 bytes does it.
local MANY = 64
local WIDE = '%-80s'

-- Milliseconds: the server's own, which all nodes share, or those of a test.
local function clock(given)
  if given ~= '' then
    return tonumber(given)
  end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Milliseconds to keep; without end where nothing is said.
local function age_of(given)
  return given == '' and math.huge or tonumber(given)
end

local function live(key, ttl)
  if ttl == math.huge then
    redis.call('PERSIST', key)
  else
    redis.call('PEXPIRE', key, ttl)
  end
end

local function base_of(meta)
  return string.sub(meta, 1, -3)
end

-- Places at which the log can be cut: offset, the bytes of all records before it, milliseconds when it was written.
local function marks_of(keys)
  return base_of(keys[1]) .. ':k'
end

local MARK = '>ddd'
local STATE = '>dddddddd'

local function save(keys, log)
  redis.call('HSET', keys[1], 's', struct.pack(STATE, log.head, log.total, log.before, log.oldest, log.last, log.refreshed,
    log.mark, log.mark_total))
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
  local meta = redis.call('HMGET', keys[1], 'e', 'p', 'd', 'w', 's')
  if not meta[1] then
    redis.call('UNLINK', keys[2], marks_of(keys))
    local log = {head = 0, total = 0, count = 0, before = 0, oldest = 0, last = 0, refreshed = 0, mark = 0, mark_total = 0}
    log.windows = args[2]
    name_epoch(keys, log, args[2])
    redis.call('HSET', keys[1], 'd', args[3], 'w', args[2])
    save(keys, log)
    redis.call('PEXPIRE', keys[1], EMPTY)
    return log
  end
  local log = {epoch = meta[1], windows = meta[4], count = redis.call('XLEN', keys[2])}
  log.head, log.total, log.before, log.oldest, log.last, log.refreshed, log.mark, log.mark_total =
    struct.unpack(STATE, meta[5])
  if meta[2] ~= process_id() then
    local is_whole = meta[3] == '1' and args[3] == '1' and not was_promoted()
    name_epoch(keys, log, is_whole and log.epoch or args[2])
  end
  if meta[3] ~= args[3] then
    redis.call('HSET', keys[1], 'd', args[3])
  end
  if log.count > 0 and log.last <= now - age then
    redis.call('UNLINK', keys[2], marks_of(keys))
    log.count = 0
  end
  return log
end

local function prolong(keys, log, now, age)
  live(keys[1], WRITTEN + age)
  live(keys[2], age + 2 * REFRESH)
  live(marks_of(keys), age + 2 * REFRESH)
  log.refreshed = now
end

-- Drops what is before the marks, as long as what stays is all that the retention asks for.
local function cut(keys, log, now, messages, size, age)
  while log.count > 1 do
    local mark = redis.call('LINDEX', marks_of(keys), 0)
    if not mark then
      return
    end
    local offset, before, at = struct.unpack(MARK, mark)
    if log.head - offset + 1 < messages and log.total - before < size and at > now - age then
      return
    end
    redis.call('LPOP', marks_of(keys))
    if offset > log.head - log.count + 1 then
      redis.call('XTRIM', keys[2], 'MINID', '=', string.format('%d', offset))
      log.count, log.before, log.oldest = log.head - offset + 1, before, at
    end
  end
end

-- Drops the records that are too old, one by one: whoever reads gets none of them.
local function expire(keys, log, now, age)
  while log.count > 0 do
    local entries = redis.call('XRANGE', keys[2], '-', '+', 'COUNT', 64)
    for _, entry in ipairs(entries) do
      local offset, at = string.match(entry[1], '(%d+)-(%d+)')
      if tonumber(at) > now - age then
        redis.call('XTRIM', keys[2], 'MINID', '=', offset)
        log.oldest = tonumber(at)
        return
      end
      log.count, log.before = log.count - 1, log.before + #entry[2][2]
    end
    redis.call('XTRIM', keys[2], 'MINID', '=', string.format('%d', log.head - log.count + 1))
  end
end

-- A session's message ids: two generations, so that the oldest go without an order being kept. The field without a name
-- says when the time to live was set, and with an `o` that there is an older generation.
local function window_of(keys, log, session, now, most, ttl)
  local window = {new = base_of(keys[1]) .. ':d:' .. log.windows .. ':' .. session}
  window.old = window.new .. ':o'
  local size, marker = redis.call('HLEN', window.new), redis.call('HGET', window.new, '')
  local is_full = size > most
  if is_full then
    redis.call('RENAME', window.new, window.old)
    size = 0
  end
  window.has_old = is_full or marker and string.find(marker, 'o', 1, true)
  local since = marker and tonumber(string.match(marker, '%d+'))
  if is_full or not since or since + REFRESH <= now or (size > MANY and #marker < 80) then
    marker = string.format(size > MANY and WIDE or '%s', string.format('%d', now) .. (window.has_old and 'o' or ''))
    redis.call('HSET', window.new, '', marker)
    redis.call('PEXPIRE', window.new, ttl + REFRESH)
  end
  return window
end

-- ARGV: as of `open`, then messages, bytes, milliseconds to keep, milliseconds and count of message ids, channel; then for
-- each record: the record, session, message id, expected offset (each may be empty).
-- Answers the epoch, then for each record its offset, the negative one of the first when it is a repeat, or as a string
-- the head that was not as expected.
local function append(keys, args)
  local now = clock(args[1])
  local messages, size, age = tonumber(args[4]), tonumber(args[5]), age_of(args[6])
  local log = open(keys, now, args, age)
  local first, stamp = log.head + 1, string.format('-%d', now)
  local was_empty = log.count == 0
  if was_empty then
    log.oldest, log.before = now, log.total
  end
  local answers, records, sizes, windows, refused = {log.epoch}, {}, {}, {}, false
  for i = 10, #args, 4 do
    local record, session, id, expected = args[i], args[i + 1], args[i + 2], args[i + 3]
    local window, known
    if session ~= '' then
      window = windows[session]
      if not window then
        window = window_of(keys, log, session, now, tonumber(args[8]), tonumber(args[7]))
        windows[session] = window
      end
      known = redis.call('HGET', window.new, id) or (window.has_old and redis.call('HGET', window.old, id))
    end
    if known then
      answers[#answers + 1] = -known
    elseif expected ~= '' and (refused or tonumber(expected) ~= log.head) then
      -- What follows it in the batch was to stand behind it.
      refused = true
      answers[#answers + 1] = string.format('%d', log.head)
    else
      log.head = log.head + 1
      -- Where the log can be cut: an eighth of what it keeps apart, as dropping one by one would mean reading each.
      if log.head - log.mark >= messages / 8 or log.total - log.mark_total >= size / 8 then
        log.mark, log.mark_total = log.head, log.total
        redis.call('RPUSH', marks_of(keys), struct.pack(MARK, log.head, log.total, now))
      end
      local offset = string.format('%d', log.head)
      redis.call('XADD', keys[2], offset .. stamp, 'r', record)
      if window then
        redis.call('HSET', window.new, id, offset)
      end
      log.count, log.total = log.count + 1, log.total + #record
      records[#records + 1], sizes[#sizes + 1] = record, #record
      answers[#answers + 1] = log.head
    end
  end
  if #records == 0 then
    return answers
  end
  log.last = now
  if log.count > messages + messages / 8 or log.total - log.before > size + size / 8 or log.oldest <= now - age then
    cut(keys, log, now, messages, size, age)
  end
  if was_empty or log.refreshed + REFRESH <= now then
    prolong(keys, log, now, age)
  end
  save(keys, log)
  redis.call('SPUBLISH', args[9], string.format('1:%s:%d:', log.epoch, first) .. table.concat(sizes, ',') .. '\n'
    .. table.concat(records))
  return answers
end

-- ARGV: as of `open`, then milliseconds to keep, after, before or nothing, limit, whether the newest.
-- Answers epoch, oldest offset, head, whether complete, then offset and record of each.
local function read(keys, args)
  local now, age, limit = clock(args[1]), age_of(args[4]), tonumber(args[7])
  local log = open(keys, now, args, age)
  if log.count > 0 and log.oldest <= now - age then
    expire(keys, log, now, age)
    save(keys, log)
  end
  -- What is read is not forgotten: whoever follows a silent log looks at it now and then.
  if log.head == 0 then
    redis.call('PEXPIRE', keys[1], EMPTY)
  elseif log.refreshed + EMPTY <= now then
    prolong(keys, log, now, age)
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

-- ARGV: as of `open`, then the last offset that is to go.
local function drop(keys, args)
  if redis.call('EXISTS', keys[1]) == 0 then
    return 0
  end
  local log = open(keys, 0, args, math.huge)
  local first, upto = log.head - log.count + 1, math.min(tonumber(args[4]), log.head)
  while first <= upto do
    local entries = redis.call('XRANGE', keys[2], '-', string.format('%d', upto), 'COUNT', 64)
    if #entries == 0 then
      break
    end
    for _, entry in ipairs(entries) do
      log.before = log.before + #entry[2][2]
    end
    first = first + #entries
    redis.call('XTRIM', keys[2], 'MINID', '=', string.format('%d', first))
  end
  local oldest = redis.call('XRANGE', keys[2], '-', '+', 'COUNT', 1)[1]
  log.oldest = oldest and tonumber(string.match(oldest[1], '-(%d+)')) or log.last
  save(keys, log)
  return 0
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
register('log_drop', drop, {'allow-oom'})
register('forget', forget, {'allow-oom'})
