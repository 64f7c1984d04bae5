-- redis/values.lua: the commands that work on keys: strings, lists, hashes, times to live

local db = require("redis.db")
local glob = require("redis.glob")
local kelpie = require("kelpie")
local resp = require("redis.resp")

local array, bulk, integer, to_integer = resp.array, resp.bulk, resp.integer, resp.to_integer
local get, set, container, fields = db.get, db.set, db.container, db.fields
local kept = db.kept

local OK, NIL, EMPTY = "+OK\r\n", "$-1\r\n", "*0\r\n"
local WRONGTYPE = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
local NOT_INTEGER = "-ERR value is not an integer or out of range\r\n"
local SYNTAX = "-ERR syntax error\r\n"

local MANY = math.huge
local LONGEST = 1 << 40 -- seconds to live
local commands = {}

local function add(key, step)
   local value = get(key) or "0"
   if type(value) == "table" then
      return WRONGTYPE
   end
   local n = to_integer(value)
   if not n then
      return NOT_INTEGER
   elseif (step > 0 and n == math.maxinteger) or (step < 0 and n == math.mininteger) then
      return "-ERR increment or decrement would overflow\r\n"
   end
   kept.values[key] = tostring(n + step) -- the time to live stays
   return integer(n + step)
end

local function push(args, to_left)
   local value = container(args[2], "list", { list = {}, first = 1, last = 0 })
   if not value then
      return WRONGTYPE
   end
   for i = 3, #args do
      if to_left then
         value.first = value.first - 1
         value.list[value.first] = args[i]
      else
         value.last = value.last + 1
         value.list[value.last] = args[i]
      end
   end
   return integer(value.last - value.first + 1)
end

commands.GET = { 2, 2, function(args)
   local value = get(args[2])
   return type(value) == "table" and WRONGTYPE or bulk(value)
end }

commands.SET = { 3, MANY, function(args)
   local key, seconds, only_new = args[2], nil, false
   local i = 4
   while args[i] do
      local option = args[i]:upper()
      if option == "NX" then
         only_new = true
      elseif option == "EX" and args[i + 1] and not seconds then
         i = i + 1
         seconds = to_integer(args[i])
         if not seconds then
            return NOT_INTEGER
         elseif seconds <= 0 or seconds > LONGEST then
            return "-ERR invalid expire time in 'set' command\r\n"
         end
      else
         return SYNTAX
      end
      i = i + 1
   end
   if only_new and get(key) ~= nil then
      return NIL
   end
   set(key, args[3])
   kept.expires[key] = seconds and kelpie.now() + seconds
   return OK
end }

commands.INCR = { 2, 2, function(args) return add(args[2], 1) end }
commands.DECR = { 2, 2, function(args) return add(args[2], -1) end }
commands.LPUSH = { 3, MANY, function(args) return push(args, true) end }
commands.RPUSH = { 3, MANY, function(args) return push(args, false) end }

local function count(args, is_counted)
   local n = 0
   for i = 2, #args do
      n = n + (get(args[i]) ~= nil and is_counted(args[i]) and 1 or 0)
   end
   return integer(n)
end

commands.DEL = { 2, MANY, function(args) return count(args, db.remove) end }
commands.EXISTS = { 2, MANY, function(args) return count(args, function() return true end) end }

commands.MGET = { 2, MANY, function(args)
   local parts = {}
   for i = 2, #args do
      local value = get(args[i])
      parts[i - 1] = bulk(type(value) == "string" and value)
   end
   return array(parts)
end }

commands.MSET = { 3, MANY, function(args)
   if #args % 2 == 0 then
      return resp.wrong_number("mset")
   end
   for i = 2, #args, 2 do
      set(args[i], args[i + 1])
   end
   return OK
end }

commands.EXPIRE = { 3, 3, function(args)
   local seconds = to_integer(args[3])
   if not seconds then
      return NOT_INTEGER
   elseif seconds > LONGEST then
      return "-ERR invalid expire time in 'expire' command\r\n"
   elseif get(args[2]) == nil then
      return integer(0)
   end
   kept.expires[args[2]] = kelpie.now() + seconds
   get(args[2]) -- removes it when that is over already
   return integer(1)
end }

commands.TTL = { 2, 2, function(args)
   if get(args[2]) == nil then
      return integer(-2)
   end
   local deadline = kept.expires[args[2]]
   return integer(deadline and math.floor(deadline - kelpie.now() + 0.5) or -1)
end }

commands.KEYS = { 2, 2, function(args)
   local tests, parts, now = glob.compile(args[2]), {}, kelpie.now()
   for key in pairs(kept.values) do
      if (kept.expires[key] or MANY) > now and glob.matches(tests, key) then
         parts[#parts + 1] = bulk(key)
      end
   end
   return array(parts)
end }

commands.LRANGE = { 4, 4, function(args)
   local from, to = to_integer(args[3]), to_integer(args[4])
   local value = get(args[2])
   if not from or not to then
      return NOT_INTEGER
   elseif value == nil then
      return EMPTY
   elseif type(value) ~= "table" or not value.list then
      return WRONGTYPE
   end
   local len, parts = value.last - value.first + 1, {}
   from = math.max(from < 0 and from + len or from, 0)
   to = math.min(to < 0 and to + len or to, len - 1)
   for i = from, to do
      parts[#parts + 1] = bulk(value.list[value.first + i])
   end
   return array(parts)
end }

commands.HSET = { 4, MANY, function(args)
   if #args % 2 == 1 then
      return resp.wrong_number("hset")
   end
   local value = container(args[2], "hash", { hash = {} })
   if not value then
      return WRONGTYPE
   end
   local n_new = 0
   for i = 3, #args, 2 do
      n_new = n_new + (value.hash[args[i]] == nil and 1 or 0)
      value.hash[args[i]] = args[i + 1]
   end
   return integer(n_new)
end }

commands.HGET = { 3, 3, function(args)
   local hash = fields(args[2])
   return hash and bulk(hash[args[3]]) or WRONGTYPE
end }

commands.HGETALL = { 2, 2, function(args)
   local hash, parts = fields(args[2]), {}
   if not hash then
      return WRONGTYPE
   end
   for field, text in pairs(hash) do
      parts[#parts + 1] = bulk(field) .. bulk(text)
   end
   return "*" .. 2 * #parts .. "\r\n" .. table.concat(parts)
end }

return commands
