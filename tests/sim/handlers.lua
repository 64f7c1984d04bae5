-- handlers.lua - the script of a simulated server: every handler does anything, to anybody
--
-- sim.choose(n) draws a number in [0, n) from the seed of the run. What the script sees, and
-- what its calls have returned, is told to the checker (sim_module.c). In front of this file
-- the simulation puts a line with the two locals VERSION and KIND; KIND says what is wrong or
-- new in this version.

-- luacheck: globals VERSION KIND
local kelpie, sim = require("kelpie"), require("sim")
local choose = sim.choose
local rooms = { kelpie.room("hall"), kelpie.room("den") }
local seen = kelpie.keep("seen", { n = 0 })
local timers, act = {}, nil

local framings = {
   "line", "line", "line", "crlf", "raw", "netstring", { "length", bytes = 1 },
   { "delimiter", "ab" }, { "fixed", 7 },
}
local waits = { false, "line", 1, 5 }
local limits = { 0, 0.01, 1, false }

-- ---- what is done to a connection ------------------------------------------------------------

local to_conn = {}

function to_conn.send(conn)
   local text = sim.text(conn.id)
   local ok, _, code = conn:send(text)
   sim.sent(conn.id, text, true, ok, code)
end

function to_conn.write(conn)
   local text = sim.text(conn.id)
   local ok, _, code = conn:write(text)
   sim.sent(conn.id, text, false, ok, code)
end

function to_conn.receive(conn)
   local what = waits[1 + choose(#waits)] or nil
   local text, _, code = conn:receive(what, limits[1 + choose(#limits)] or nil)
   sim.received(conn.id, kelpie.generation, VERSION, what, text, code)
end

function to_conn.join(conn)
   conn:join(rooms[1 + choose(2)])
end

function to_conn.leave(conn)
   rooms[1 + choose(2)]:leave(conn)
end

function to_conn.pause(conn)
   conn:pause()
end

function to_conn.resume(conn)
   conn:resume()
end

function to_conn.set_timeout(conn)
   conn:set_timeout(choose(4))
end

function to_conn.set_framing(conn)
   conn:set_framing(framings[1 + choose(#framings)])
   sim.reframed(conn.id)
end

function to_conn.close(conn)
   if choose(3) == 0 then conn:abort() else conn:close("bye") end
   if conn:is_open() then error("it is open still") end
end

function to_conn.remember(conn)
   local n = conn.data.n or 0
   sim.remembers(conn.id, n)
   conn.data.n = n + 1
   sim.remember(conn.id, n + 1)
end

-- What cannot cross to another version: the next reload is rejected, until it is gone.
function to_conn.poison(conn)
   conn.data.poison = conn.data.poison == nil and print or nil
end

-- The more often, the likelier.
local conn_things = {
   "send", "send", "send", "send", "send", "send", "write", "receive", "receive", "receive", "join", "join",
   "join", "leave", "pause", "resume", "resume", "set_timeout", "set_framing", "close", "remember",
   "remember", "poison",
}

-- ---- what is done besides --------------------------------------------------------------------

local things = {}

function things.cast(self)
   local text, where = sim.text(0), choose(3)
   local except = choose(2) == 0 and self or nil
   sim.casting(where, except and except.id or 0, text)
   local n
   if where == 0 then
      n = kelpie.broadcast(text, except)
   else
      n = rooms[where]:send(text, except)
   end
   sim.cast(n)
end

function things.timer()
   local n, timer = 1 + choose(3), nil
   if timers[n] then
      timers[n]:cancel()
      timers[n] = nil
   elseif choose(3) == 0 then
      timer = kelpie.every(0.05, function()
         if sim.is_resting() then timer:cancel() else act() end
      end)
      timers[n] = timer
   else
      timer = kelpie.after(choose(4) / 100, function()
         if timers[n] == timer then timers[n] = nil end
         act()
      end)
      timers[n] = timer
   end
end

function things.named_timer()
   kelpie.after("one", choose(3), function() act() end)
end

function things.spawn(self)
   kelpie.spawn(act, self)
end

function things.sleep()
   kelpie.sleep(choose(4) / 50)
end

function things.keep()
   sim.remembers(0, seen.n)
   seen.n = seen.n + 1
   sim.remember(0, seen.n)
end

function things.walk()
   for conn in kelpie.conns() do
      if choose(4) == 0 then conn:leave(rooms[1]) end
   end
   for conn in rooms[1]:members() do
      if choose(4) == 0 then conn:join(rooms[2]) end
   end
end

function things.coroutine(self)
   local co = coroutine.wrap(function()
      act(self)
      coroutine.yield(1)
      act(self)
   end)
   co()
   co()
end

function things.reload()
   kelpie.reload()
end

function things.raise()
   error("on purpose")
end

-- Time jumps while it runs, as for a handler that hangs: it is ended at the next look.
function things.hang()
   sim.jump()
   for _ = 1, 5000 do end
   sim.survived()
end

function things.shutdown()
   if choose(6) == 0 then kelpie.shutdown() end
end

local other_things = {
   "cast", "cast", "cast", "cast", "timer", "timer", "timer", "named_timer", "spawn", "sleep", "sleep",
   "keep", "walk", "coroutine", "reload", "raise", "hang", "shutdown",
}

local function choose_conn(self)
   if self and choose(10) < 7 then return self end
   if choose(2) == 0 then return kelpie.client(choose(6)) end
   return kelpie.find(1 + choose(32))
end

function act(self)
   for _ = 1, choose(3) do
      if sim.is_resting() then return end
      local conn = choose_conn(self)
      if not conn or choose(100) < 25 then
         things[other_things[1 + choose(#other_things)]](self)
      else
         to_conn[conn_things[1 + choose(#conn_things)]](conn)
      end
   end
end

-- ---- the handlers ----------------------------------------------------------------------------

local handlers = {}

function handlers.on_load(reason)
   if KIND == "on_load" then error("this version does not want to serve") end
   sim.loaded(VERSION, reason)
end

function handlers.on_connect(conn)
   sim.connected(conn.id, VERSION)
   act(conn)
end

function handlers.on_message(conn, message)
   sim.message(conn.id, kelpie.generation, VERSION, message)
   act(conn)
end

function handlers.on_disconnect(conn, reason)
   sim.disconnected(conn.id, VERSION, reason)
   act(conn)
end

function handlers.on_drain(conn)
   act(conn)
end

function handlers.on_adopt(conn)
   act(conn)
end

function handlers.on_input()
   act()
end

function handlers.on_error(conn)
   -- A version that does not come to serve changes nothing.
   if KIND ~= "on_load" and choose(8) == 0 then act(conn) end
end

function handlers.on_shutdown()
   act()
end

if KIND == "schema" or KIND == "bad migrate" then
   handlers.schema = VERSION
   function handlers.migrate()
      if KIND == "bad migrate" then error("this cannot be brought over") end
   end
   function handlers.migrate_conn() end
elseif KIND == "framing" then
   handlers.framing = "crlf"
   handlers.max_message = 60
   handlers.partial_at_eof = "deliver"
elseif KIND == "unknown" then
   handlers.on_mesage = print
elseif KIND == "self_test" then
   function handlers.self_test() error("this version knows that it is wrong") end
elseif KIND == "missing" then
   require("nowhere")
elseif KIND == "effect" then
   kelpie.broadcast("too early")
end

return handlers
