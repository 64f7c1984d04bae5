-- garbage.lua: clients of an example that make no sense, for garbage_test.lua
--
-- A run is one to three clients at a time. What each sends is made of pieces of its protocol,
-- right and wrong ones, in any order, often after a proper beginning, and then damaged: bytes
-- changed, cut out, repeated, put in. It arrives in chunks of any size, those of all clients in
-- any order, while time passes and scripts are reloaded. Then the clients leave, some of them
-- in the middle.
--
-- Whatever they do, no handler may raise or be ended, the server has to come to rest, and a
-- client that behaves, which was there before, is served to the end.
--
-- KELPIE_SEED and KELPIE_RUNS in the environment: other garbage, and more of it. A failure says
-- what the clients of its run have sent; runs before it are part of the story.

local test = require("kelpie.test")

local SEED = tonumber(os.getenv("KELPIE_SEED") or 1)
local RUNS = tonumber(os.getenv("KELPIE_RUNS") or 400)
local MAX_PIECES = 12
local MAX_CHUNK = 40

local function chance(percent)
   return math.random(100) <= percent
end

local function any(list)
   return list[math.random(#list)]
end

local function random_bytes(n)
   local bytes = {}
   for i = 1, n do
      bytes[i] = string.char(math.random(0, 255))
   end
   return table.concat(bytes)
end

local function damage(bytes)
   local from = math.random(#bytes)
   local to = math.min(#bytes, from + math.random(0, 20))
   local head, middle, tail = bytes:sub(1, from - 1), bytes:sub(from, to), bytes:sub(to + 1)
   return any({
      function() return head .. random_bytes(1) .. bytes:sub(from + 1) end,
      function()
         return head .. string.char(bytes:byte(from) ~ 1 << math.random(0, 7)) .. bytes:sub(from + 1)
      end,
      function() return head .. tail end,
      function() return head .. middle .. middle .. tail end,
      function() return head .. random_bytes(math.random(20)) .. tail end,
      function() return head end,
   })()
end

-- A piece is a string, or a function that makes one.
local function piece(what)
   return type(what) == "function" and what() or what
end

-- What one client sends.
local function make(options)
   local parts = { chance(80) and piece(options.hello) or "" }
   for _ = 1, math.random(MAX_PIECES) do
      parts[#parts + 1] = piece(any(options.pieces))
   end
   local bytes = table.concat(parts)
   for _ = 1, chance(60) and math.random(4) or 0 do
      bytes = bytes ~= "" and damage(bytes) or bytes
   end
   return bytes
end

-- Sends the bytes of all clients, a chunk of one of them at a time. Time passes once at most: one
-- who behaves is not silent for hours.
local function send_all(t, clients)
   local left, has_waited = { table.unpack(clients) }, false
   while #left > 0 do
      local i = math.random(#left)
      local client = left[i]
      local len = chance(30) and #client.bytes or math.random(MAX_CHUNK)
      local chunk = client.bytes:sub(client.sent + 1, client.sent + len)
      client.sent = client.sent + #chunk
      -- It may be closed by now: that is an answer to garbage.
      if chunk == "" or not pcall(client.conn.write, client.conn, chunk) then
         table.remove(left, i)
      elseif chance(2) and not has_waited then
         t:advance(math.random(200))
         has_waited = true
      elseif chance(2) then
         t:reload()
      end
   end
end

local function story(clients)
   local lines = {}
   for _, client in ipairs(clients) do
      lines[#lines + 1] = ("%q"):format(client.bytes:sub(1, client.sent)):gsub("\\\n", "\\n")
   end
   return table.concat(lines, "\n")
end

-- Fails, with what was sent, when a handler has.
local function must_be_well(t, run, clients)
   if t.world:failed() then
      error(("run %d of seed %d: a handler failed:\n%s\nafter\n%s"):format(
         run, SEED, t:errors(), story(clients)), 0)
   end
end

-- options: script; hello: how a client begins, witness: how the one that behaves does, if it has to
-- be different; pieces: what else clients send; well: function (conn) that lets the client that
-- behaves ask for something, and expects the answer.
return function(options)
   math.randomseed(SEED)
   local t = test.start(options.script)
   local witness = t:connect()
   witness:write(piece(options.witness or options.hello))
   for run = 1, RUNS do
      local clients = {}
      for i = 1, math.random(3) do
         clients[i] = { conn = t:connect(), bytes = make(options), sent = 0 }
      end
      local ok, why = pcall(send_all, t, clients)
      if not ok then
         error(("run %d of seed %d: %s\nafter\n%s"):format(run, SEED, why, story(clients)), 0)
      end
      for _, client in ipairs(clients) do
         if chance(80) then
            pcall(client.conn.eof, client.conn)
         end
         client.conn:skip()
      end
      must_be_well(t, run, clients)
      witness:skip()
      options.well(witness)
   end
   t:advance(100000) -- whoever has stayed is let go, or is not
   must_be_well(t, RUNS, {})
end
