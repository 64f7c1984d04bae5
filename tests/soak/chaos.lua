-- What the chaos client talks to: every line carries a number, the next one of its connection.
-- Whatever is out of order, doubled, or told to a connection that is gone raises, which the
-- client finds in the counters.
local kelpie = require("kelpie")

local room = kelpie.room("everybody")
local seen = kelpie.keep("seen", { connects = 0, disconnects = 0, live = {} })
local inside = false

-- No handler runs within a handler.
local function alone(handler)
   return function(...)
      assert(not inside, "a handler within a handler")
      inside = true
      local ok, message = pcall(handler, ...)
      inside = false
      assert(ok, message)
   end
end

local handlers = {}

handlers.on_connect = alone(function(conn)
   assert(not seen.live[conn.id], "connected twice")
   seen.live[conn.id] = true
   seen.connects = seen.connects + 1
   conn.data.next = 0
   room:join(conn)
   conn:join("of " .. conn.number % 7)
end)

handlers.on_message = alone(function(conn, line)
   assert(seen.live[conn.id], "a message of nobody")
   if line == "count" then
      conn:send("count ", seen.connects, " ", seen.disconnects)
      return
   end
   assert(tonumber(line) == conn.data.next, "out of order")
   conn.data.next = conn.data.next + 1
   conn:send(kelpie.generation, " ", line)
   if conn.data.next % 16 == 0 then
      kelpie.after(0.001, alone(function() conn:join("late") end))
   end
end)

handlers.on_disconnect = alone(function(conn)
   assert(seen.live[conn.id], "disconnected twice, or never connected")
   seen.live[conn.id] = nil
   seen.disconnects = seen.disconnects + 1
end)

return handlers
