-- redis.lua: a small Redis. It speaks RESP2; the data survive reloads, not restarts.
--
--    kelpie run -p 6380 examples/redis.lua
--    redis-cli -p 6380 set greeting hello
--    redis-benchmark -p 6380 -t ping,set,get -P 16 -q
--
-- Edit this file while the benchmark runs, `kelpie reload`: no client notices. Bytes are read
-- as they come ("raw"), all complete commands among them are run, and their answers are written
-- together: that makes pipelining fast. What is left over waits in conn.data.

local glob = require("glob")
local kelpie = require("kelpie")
local resp = require("resp")

local concat = table.concat
local array, bulk, integer, to_integer = resp.array, resp.bulk, resp.integer, resp.to_integer

-- values[key] is a string, { list = { [first] ... [last] }, first, last } or { hash = {}, n };
-- expires[key] is a time of kelpie.now().
local db = kelpie.keep("redis", { values = {}, expires = {}, commands = 0 })

-- ---- answers --------------------------------------------------------------------------------

local OK, NIL, EMPTY = "+OK\r\n", "$-1\r\n", "*0\r\n"
local WRONGTYPE = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
local NOT_INTEGER = "-ERR value is not an integer or out of range\r\n"
local SYNTAX = "-ERR syntax error\r\n"

local function wrong_number(name)
   return "-ERR wrong number of arguments for '" .. name:lower() .. "' command\r\n"
end

-- ---- the data -------------------------------------------------------------------------------

local function remove(key)
   local was_there = db.values[key] ~= nil
   db.values[key], db.expires[key] = nil, nil
   return was_there
end

local function get(key)
   local deadline = db.expires[key]
   if deadline and deadline <= kelpie.now() then
      remove(key)
   end
   return db.values[key]
end

local function set(key, value)
   db.values[key], db.expires[key] = value, nil
end

-- The list or hash of a key, made when there is none; nil for another type.
local function container(key, kind, new)
   local value = get(key)
   if value == nil then
      db.values[key] = new
      return new
   end
   return type(value) == "table" and value[kind] and value or nil
end

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
   db.values[key] = tostring(n + step) -- the time to live stays
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

-- ---- the commands: { least, most arguments with the name, function(args, conn) } ------------

local MANY = math.huge
local commands = {}

commands.PING = { 1, 2, function(args, conn)
   if conn.data.channels then
      return array({ bulk("pong"), bulk(args[2] or "") })
   end
   return args[2] and bulk(args[2]) or "+PONG\r\n"
end }

commands.ECHO = { 2, 2, function(args) return bulk(args[2]) end }

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
         elseif seconds <= 0 then
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
   db.expires[key] = seconds and kelpie.now() + seconds
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

commands.DEL = { 2, MANY, function(args) return count(args, remove) end }
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
      return wrong_number("mset")
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
   elseif get(args[2]) == nil then
      return integer(0)
   end
   db.expires[args[2]] = kelpie.now() + seconds
   get(args[2]) -- removes it when that is over already
   return integer(1)
end }

commands.TTL = { 2, 2, function(args)
   if get(args[2]) == nil then
      return integer(-2)
   end
   local deadline = db.expires[args[2]]
   return integer(deadline and math.floor(deadline - kelpie.now() + 0.5) or -1)
end }

commands.KEYS = { 2, 2, function(args)
   local tests, parts, now = glob.compile(args[2]), {}, kelpie.now()
   for key in pairs(db.values) do
      if (db.expires[key] or MANY) > now and glob.matches(tests, key) then
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
      return wrong_number("hset")
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

local function fields(key)
   local value = get(key)
   if value == nil then
      return {}
   end
   return type(value) == "table" and value.hash or nil
end

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
   return "*" .. 2 * #parts .. "\r\n" .. concat(parts)
end }

-- A channel is a room: its members cross a reload, and leave when they hang up.
commands.SUBSCRIBE = { 2, MANY, function(args, conn)
   local parts = {}
   for i = 2, #args do
      local room = #args[i] < 200 and kelpie.room("channel " .. args[i])
      local joined = room and conn:join(room)
      if joined == nil or not room then
         parts[#parts + 1] = "-ERR too many channels, or the name is too long\r\n"
      else
         conn.data.channels = (conn.data.channels or 0) + (joined and 1 or 0)
         parts[#parts + 1] = array({ bulk("subscribe"), bulk(args[i]), integer(conn.data.channels) })
      end
   end
   return concat(parts)
end }

commands.PUBLISH = { 3, 3, function(args)
   local room = #args[2] < 200 and kelpie.room("channel " .. args[2])
   local message = array({ bulk("message"), bulk(args[2]), bulk(args[3]) })
   return integer(room and room:write(message) or 0)
end }

commands.FLUSHALL = { 1, 2, function()
   db.values, db.expires = {}, {}
   return OK
end }

commands.INFO = { 1, MANY, function()
   local stats, keys = kelpie.stats(), 0
   for _ in pairs(db.values) do
      keys = keys + 1
   end
   return bulk(concat({
      "# Server", "redis_version:7.0.0", "kelpie_version:" .. kelpie.version,
      "kelpie_generation:" .. kelpie.generation, "# Clients", "connected_clients:" .. stats.clients,
      "# Memory", "used_memory:" .. stats.lua_bytes, "# Stats",
      "total_commands_processed:" .. db.commands, "# Keyspace", "db0:keys=" .. keys, "",
   }, "\r\n"))
end }

commands.COMMAND = { 1, MANY, function(args)
   if args[2] and args[2]:upper() == "COUNT" then
      local n = 0
      for _ in pairs(commands) do
         n = n + 1
      end
      return integer(n)
   end
   return EMPTY -- redis-cli asks for COMMAND DOCS, and lives without
end }

local settings = { save = "", appendonly = "no", maxmemory = "0" }
commands.CONFIG = { 2, MANY, function(args)
   if args[2]:upper() ~= "GET" then
      return "-ERR unknown subcommand " .. resp.quoted(args[2]) .. ".\r\n"
   elseif #args < 3 then
      return wrong_number("config|get")
   end
   local parts = {}
   for name, value in pairs(settings) do
      if glob.matches(glob.compile(args[3]:lower()), name) then
         parts[#parts + 1] = bulk(name)
         parts[#parts + 1] = bulk(value)
      end
   end
   return array(parts)
end }

local function run(args, conn)
   local command = commands[args[1]] or commands[args[1]:upper()]
   if not command then
      return "-ERR unknown command " .. resp.quoted(args[1]) .. "\r\n"
   elseif #args < command[1] or #args > command[2] then
      return wrong_number(args[1])
   elseif conn.data.channels and command ~= commands.PING and command ~= commands.SUBSCRIBE then
      return "-ERR Can't execute " .. resp.quoted(args[1]:lower()) .. ": only SUBSCRIBE and PING are\r\n"
   end
   db.commands = db.commands + 1
   return command[3](args, conn)
end

-- ---- the connection -------------------------------------------------------------------------

local handlers = { framing = "raw" }

function handlers.on_message(conn, chunk)
   local data = conn.data
   local text = resp.join(data, chunk)
   local state = data.state or {}
   local answers, at, problem = {}, 1, nil
   while text and at <= #text do
      local done, next_at, need = resp.read_command(state, text, at)
      if not done then
         if done == nil then
            problem = next_at
         else
            data.rest, data.have, data.need = { text:sub(next_at) }, #text - next_at + 1, need
         end
         break
      end
      if state.args[1] then
         answers[#answers + 1] = run(state.args, conn)
      end
      state.args, at = nil, next_at
   end
   data.state = state.args and state or nil
   if problem then
      answers[#answers + 1] = "-ERR Protocol error: " .. problem .. "\r\n"
   end
   if answers[1] and not conn:write(concat(answers)) then
      conn:close("slow reader") -- its answers do not fit into what may be queued
   elseif problem then
      conn:close("protocol error")
   end
end

-- What nobody asks for has to go as well.
function handlers.on_load()
   kelpie.every("expire", 1, function()
      local now = kelpie.now()
      for key, deadline in pairs(db.expires) do
         if deadline <= now then
            remove(key)
         end
      end
   end)
end

return handlers
