-- redis.lua: a small Redis. It speaks RESP2; the data survive reloads, not restarts.
--
--    kelpie run -p 6380 examples/redis.lua
--    redis-cli -p 6380 set greeting hello
--    redis-benchmark -p 6380 -t ping,set,get -P 16 -q
--
-- Edit this file while the benchmark runs, `kelpie reload`: no client notices. Bytes are read
-- as they come ("raw"), all complete commands among them are run, and their answers are written
-- together: that makes pipelining fast. What is left over waits in conn.data.
--
--    redis/resp.lua     the protocol       redis/db.lua       the data, kept across reloads
--    redis/values.lua   most commands      redis/glob.lua     patterns of KEYS

local db = require("redis.db")
local commands = require("redis.values")
local glob = require("redis.glob")
local kelpie = require("kelpie")
local resp = require("redis.resp")

local concat = table.concat
local array, bulk, integer = resp.array, resp.bulk, resp.integer
local kept = db.kept

local OK, EMPTY = "+OK\r\n", "*0\r\n"
local MANY = math.huge
local BATCH = 64 * 1024 -- bytes of answers that are written together

-- ---- more commands: { least, most arguments with the name, function(args, conn) } ------------

commands.PING = { 1, 2, function(args, conn)
   if conn.data.channels then
      return array({ bulk("pong"), bulk(args[2] or "") })
   end
   return args[2] and bulk(args[2]) or "+PONG\r\n"
end }

commands.ECHO = { 2, 2, function(args) return bulk(args[2]) end }

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
   db.clear()
   return OK
end }

commands.INFO = { 1, MANY, function()
   local stats, keys = kelpie.stats(), 0
   for _ in pairs(kept.values) do
      keys = keys + 1
   end
   return bulk(concat({
      "# Server", "redis_version:7.0.0", "kelpie_version:" .. kelpie.version,
      "kelpie_generation:" .. kelpie.generation, "# Clients", "connected_clients:" .. stats.clients,
      "# Memory", "used_memory:" .. stats.lua_bytes, "# Stats",
      "total_commands_processed:" .. kept.commands, "# Keyspace", "db0:keys=" .. keys, "",
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
      return resp.wrong_number("config|get")
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
      return resp.wrong_number(args[1])
   elseif conn.data.channels and command ~= commands.PING and command ~= commands.SUBSCRIBE then
      return "-ERR Can't execute " .. resp.quoted(args[1]:lower()) .. ": only SUBSCRIBE and PING are\r\n"
   end
   kept.commands = kept.commands + 1
   return command[3](args, conn)
end

-- ---- the connection -------------------------------------------------------------------------

local handlers = { framing = "raw" }

function handlers.on_message(conn, chunk)
   local data = conn.data
   local text = resp.join(data, chunk)
   local state = data.state or {}
   local answers, size, at, problem = {}, 0, 1, nil
   local is_open = true
   while text and is_open and at <= #text do
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
         local answer = run(state.args, conn)
         answers[#answers + 1], size = answer, size + #answer
         if size > BATCH then
            is_open = conn:write(concat(answers))
            answers, size = {}, 0
         end
      end
      state.args, at = nil, next_at
   end
   data.state = state.args and state or nil
   if problem then
      answers[#answers + 1] = "-ERR Protocol error: " .. problem .. "\r\n"
   end
   if not is_open or (answers[1] and not conn:write(concat(answers))) then
      conn:close("slow reader") -- its answers do not fit into what may be queued
   elseif problem then
      conn:close("protocol error")
   end
end

-- What nobody asks for has to go as well.
function handlers.on_load()
   kelpie.every("expire", 1, db.sweep)
end

return handlers
