-- One lease set: all or nothing, fenced, never freed by time once it may have had an effect.
-- KEYS: {lk}:leases (owner -> "phase|generation|counter|expires_ms|res=mode,res=mode"), {lk}:counter, {lk}:generation, {lk}:hold
-- Generation and counter stay apart here; they are composed into one number outside.
local leases, counter, generation_key, hold = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local op, owner = ARGV[1], ARGV[2]
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)

local function parse(text)
  local phase, gen, ctr, expires, set = string.match(text, '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$')
  return {phase = phase, gen = gen, ctr = ctr, expires = tonumber(expires), set = set}
end
local function write(who, l)
  redis.call('HSET', leases, who, l.phase .. '|' .. l.gen .. '|' .. l.ctr .. '|' .. string.format('%d', l.expires) .. '|' .. l.set)
end
local function modes(set)
  local out = {}
  for res, mode in string.gmatch(set, '([^=,]+)=([SX])') do out[res] = mode end
  return out
end
local function load(who)
  local text = redis.call('HGET', leases, who)
  if not text then return nil end
  local l = parse(text)
  if l.expires <= now then
    if l.phase == 'reserved' then
      redis.call('HDEL', leases, who)
      return nil
    elseif l.phase ~= 'quarantined' then
      l.phase = 'quarantined'
      write(who, l)
    end
  end
  return l
end
local function ours(l) return l and l.gen == ARGV[3] and l.ctr == ARGV[4] end
local function newer(l)
  local gen, asked = tonumber(l.gen), tonumber(ARGV[3])
  return gen > asked or (gen == asked and tonumber(l.ctr) > tonumber(ARGV[4]))
end

if op == 'acquire' then
  local gen, run_id, ttl, set = ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6]
  local real = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
  if real ~= run_id or redis.call('GET', generation_key) ~= gen then return {'GENERATION'} end
  local mine = load(owner)
  if mine then
    if mine.phase == 'quarantined' then return {'HELD', owner, 'quarantined'} end
    return {'OK', mine.gen, mine.ctr}
  end
  if redis.call('EXISTS', hold) == 1 then return {'HELD', 'the lock service', 'waiting for old leases to end'} end
  local want = modes(set)
  for _, who in ipairs(redis.call('HKEYS', leases)) do
    local l = load(who)
    if l then
      for res, mode in pairs(modes(l.set)) do
        if want[res] and (want[res] == 'X' or mode == 'X') then return {'HELD', who, l.phase} end
      end
    end
  end
  local ctr = string.format('%d', redis.call('INCR', counter))
  write(owner, {phase = 'reserved', gen = gen, ctr = ctr, expires = now + ttl, set = set})
  return {'OK', gen, ctr}
elseif op == 'phase' then
  local l = load(owner)
  if not ours(l) or l.phase == 'quarantined' then return {'LOST'} end
  if ARGV[5] ~= 'executing' and ARGV[5] ~= 'verifying' then return {'LOST'} end  -- nothing goes back to reserved
  l.phase = ARGV[5]
  l.expires = now + tonumber(ARGV[6])
  write(owner, l)
  return {'OK'}
elseif op == 'renew' then
  local l = load(owner)
  if not ours(l) or l.phase == 'quarantined' then return {'LOST'} end
  l.expires = now + tonumber(ARGV[5])
  write(owner, l)
  return {'OK'}
elseif op == 'adopt' then
  -- the reconciler's: a newer token over the same set, whether it expired or not
  -- (an adoption that died before the journal had its token leaves a newer one: that counts once it ran out)
  local l = load(owner)
  if not ours(l) and not (l and l.phase == 'quarantined' and newer(l)) then return {'LOST'} end
  l.gen = ARGV[5]
  l.ctr = string.format('%d', redis.call('INCR', counter))
  l.phase = 'executing'
  l.expires = now + tonumber(ARGV[6])
  write(owner, l)
  return {'OK', l.gen, l.ctr}
elseif op == 'restore' then
  -- after Redis lost its memory: written back from the journal as quarantined
  write(owner, {phase = 'quarantined', gen = ARGV[3], ctr = ARGV[4], expires = now, set = ARGV[5]})
  return {'OK'}
elseif op == 'release' then
  local l = load(owner)
  if not ours(l) then return {'LOST'} end
  redis.call('HDEL', leases, owner)
  return {'OK'}
elseif op == 'look' then
  local out = {}
  for _, who in ipairs(redis.call('HKEYS', leases)) do
    local l = load(who)
    if l then
      table.insert(out, who)
      table.insert(out, l.phase)
      table.insert(out, l.gen)
      table.insert(out, l.ctr)
      table.insert(out, string.format('%d', l.expires - now))
      table.insert(out, l.set)
    end
  end
  return out
elseif op == 'install' then
  redis.call('SET', generation_key, ARGV[3])
  if tonumber(ARGV[4]) > 0 then redis.call('SET', hold, '1', 'PX', ARGV[4]) end
  return {'OK'}
end
return {'BAD'}
