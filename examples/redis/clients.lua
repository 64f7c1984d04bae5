-- redis/clients.lua: the commands about connections, channels and the server itself

local db = require("redis.db")
local glob = require("redis.glob")
local kelpie = require("kelpie")
local resp = require("redis.resp")

local concat = table.concat
local array, bulk, integer = resp.array, resp.bulk, resp.integer

local OK = "+OK\r\n"
local MANY = math.huge
local LONGEST_NAME = 200 -- of a channel, which is a room: its name has at most 255 bytes
local NO_ROOM = "-ERR too many channels, or the name is too long\r\n"

local commands = {}

commands.PING = { 1, 2, function(args, _, data)
   if (data.channels or 0) > 0 then
      return array({ bulk("pong"), bulk(args[2] or "") })
   end
   return args[2] and bulk(args[2]) or "+PONG\r\n"
end }

commands.ECHO = { 2, 2, function(args) return bulk(args[2]) end }

commands.QUIT = { 1, MANY, function(_, _, data)
   data.ending = "quit"
   return OK
end }

-- ---- channels: rooms, whose members cross a reload, and leave when they hang up ----------------

local function room_of(name)
   return #name <= LONGEST_NAME and kelpie.room("channel " .. name) or nil
end

commands.SUBSCRIBE = { 2, MANY, function(args, conn, data)
   local parts = {}
   for i = 2, #args do
      local room = room_of(args[i])
      local joined = room and conn:join(room)
      if joined == nil then
         parts[#parts + 1] = NO_ROOM
      else
         data.channels = (data.channels or 0) + (joined and 1 or 0)
         parts[#parts + 1] = array({ bulk("subscribe"), bulk(args[i]), integer(data.channels) })
      end
   end
   return concat(parts)
end }

commands.UNSUBSCRIBE = { 1, MANY, function(args, conn, data)
   local names, parts = table.move(args, 2, #args, 1, {}), {}
   if #names == 0 then
      for i, room in ipairs(conn:rooms()) do
         names[i] = room.name:sub(#"channel " + 1)
      end
   end
   for i = 1, math.max(#names, 1) do -- the answer of one that is in no channel names none
      local room = names[i] and room_of(names[i])
      local left = room and conn:leave(room)
      data.channels = (data.channels or 0) - (left and 1 or 0)
      parts[i] = array({ bulk("unsubscribe"), bulk(names[i]), integer(data.channels) })
   end
   return concat(parts)
end }

commands.PUBLISH = { 3, 3, function(args)
   local room = room_of(args[2])
   local message = array({ bulk("message"), bulk(args[2]), bulk(args[3]) })
   return integer(room and room:write(message) or 0)
end }

-- ---- the server --------------------------------------------------------------------------------

commands.FLUSHALL = { 1, 2, function()
   db.clear()
   return OK
end }

commands.INFO = { 1, MANY, function()
   local stats = kelpie.stats()
   return bulk(concat({
      "# Server", "redis_version:7.0.0", "kelpie_version:" .. kelpie.version,
      "kelpie_generation:" .. kelpie.generation, "# Clients", "connected_clients:" .. stats.clients,
      "# Memory", "used_memory:" .. stats.lua_bytes, "# Stats",
      "total_commands_processed:" .. db.kept.commands, "# Keyspace", "db0:keys=" .. db.size(), "",
   }, "\r\n"))
end }

local settings = { save = "", appendonly = "no", maxmemory = "0" }
commands.CONFIG = { 2, MANY, function(args)
   if args[2]:upper() ~= "GET" then
      return "-ERR unknown subcommand '" .. resp.plain(args[2]) .. "'. Try CONFIG HELP.\r\n"
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

return commands
