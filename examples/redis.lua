-- redis.lua: a small Redis. It speaks RESP2; the data survive reloads, not restarts.
--
--    kelpie run -p 6380 examples/redis.lua
--    redis-cli -p 6380 set greeting hello
--    redis-benchmark -p 6380 -t ping,set,get -P 16 -q
--
-- Edit this file while the benchmark runs, `kelpie reload`: no client notices. Bytes are read
-- as they come ("raw"), all complete commands among them are run, and their answers are written
-- together: that makes pipelining fast. The next commands of a client that asks for more than it
-- reads wait until it has read. All of that is in conn.data, so a reload may come at any moment.
--
--    redis/resp.lua     the protocol            redis/db.lua      the data, kept across reloads
--    redis/values.lua   commands about keys     redis/glob.lua    patterns of KEYS
--    redis/clients.lua  and about the rest      redis/inline.lua  commands that a person types

local clients = require("redis.clients")
local db = require("redis.db")
local kelpie = require("kelpie")
local resp = require("redis.resp")
local values = require("redis.values")

local concat, sub = table.concat, string.sub
local kept, read = db.kept, resp.read

local BATCH = 64 * 1024 -- bytes of answers that are written together, about

-- ---- commands: { least, most words, function(words, conn, data) -> answer } ---------------------

-- Names are looked up in capitals and in small letters; a mixture costs one more look.
local commands, n_commands = {}, 0

local function add(name, command)
   commands[name], commands[name:lower()] = command, command
   n_commands = n_commands + 1
end

for _, source in ipairs({ values, clients }) do
   for name, command in pairs(source) do
      add(name, command)
   end
end

-- redis-cli asks for COMMAND DOCS, and lives without.
add("COMMAND", { 1, math.huge, function(words)
   return words[2] and words[2]:upper() == "COUNT" and resp.integer(n_commands) or "*0\r\n"
end })

-- What a client that listens to channels may say.
local of_listeners = { [commands.PING] = true, [commands.SUBSCRIBE] = true, [commands.UNSUBSCRIBE] = true,
                       [commands.QUIT] = true }

local function refusal(words, command)
   local name = resp.plain(words[1])
   if not command then
      local rest = {}
      for i = 2, math.min(#words, 20) do
         rest[i - 1] = "'" .. resp.plain(words[i]) .. "' "
      end
      return "-ERR unknown command '" .. name .. "', with args beginning with: " .. concat(rest) .. "\r\n"
   elseif #words < command[1] or #words > command[2] then
      return resp.wrong_number(name:lower())
   end
   return "-ERR Can't execute '" .. name:lower() .. "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / "
      .. "QUIT / RESET are allowed in this context\r\n"
end

local function run(words, conn, data)
   local command = commands[words[1]] or commands[words[1]:upper()]
   local n = #words
   if not command or n < command[1] or n > command[2]
         or ((data.channels or 0) > 0 and not of_listeners[command]) then
      return refusal(words, command)
   end
   return command[3](words, conn, data)
end

-- ---- the connection -------------------------------------------------------------------------

-- Writes as much as there is room for; the rest waits in data.unsent for on_drain. Until then no
-- more commands are read, so one who never reads costs only this. False: it waits, or has gone.
local function send(conn, data, text, at)
   local has_room = true
   while at <= #text and has_room do
      local ok, _, code = conn:write(sub(text, at, at + BATCH - 1))
      if not ok and code ~= "full" then
         return false
      end
      at = ok and at + BATCH or at
      has_room = ok and conn:has_room()
   end
   if not has_room then
      conn:pause()
      data.unsent, data.unsent_at = text, at
   end
   return has_room
end

-- Runs the commands of a text until it ends or there is no room for answers.
local function work(conn, data, text)
   local answers, n, size, n_run = {}, 0, 0, 0
   local at, partial = 1, data.partial
   local has_room = true
   data.partial = nil
   while at <= #text and has_room and not data.ending do
      local words, after, begun, from = read(text, at, partial)
      if words then
         at, partial = after, nil
         if words[1] then
            local answer = run(words, conn, data)
            n, size = n + 1, size + #answer
            answers[n] = answer
            if size > BATCH then
               has_room = send(conn, data, concat(answers), 1)
               answers, n, size, n_run = {}, 0, 0, n_run + n
            end
         end
      elseif math.type(after) then
         resp.keep(data, text, from or at, after, begun)
         at = #text + 1
      else
         n, data.ending = n + 1, "protocol error"
         answers[n] = "-ERR Protocol error: " .. after .. "\r\n"
      end
   end
   kept.commands = kept.commands + n_run + n
   if n > 0 then
      has_room = send(conn, data, n == 1 and answers[1] or concat(answers), 1)
   end
   if data.ending and has_room then
      conn:close(data.ending)
   elseif at <= #text then
      data.held = sub(text, at)
   end
end

local handlers = { framing = "raw" }

function handlers.on_message(conn, chunk)
   local data = conn.data
   if data.rest then
      chunk = resp.join(data, chunk)
   end
   if chunk then
      work(conn, data, chunk)
   end
end

function handlers.on_drain(conn)
   local data = conn.data
   local unsent, held = data.unsent, data.held
   if not unsent or not send(conn, data, unsent, data.unsent_at) then
      return
   end
   data.unsent, data.held = nil, nil
   if data.ending then
      conn:close(data.ending)
      return
   end
   conn:resume()
   if held then
      work(conn, data, held)
   end
end

-- What nobody asks for has to go as well.
function handlers.on_load()
   kelpie.every("expire", 1, db.sweep)
end

return handlers
