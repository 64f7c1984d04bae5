-- expect: refused
-- Methods with another self: a table, a room, a timer, nothing.
local kelpie = require("kelpie")
return require("lib.base").handlers(function(conn)
   local room, timer = kelpie.room("x"), kelpie.after(1, print)
   for _, self in ipairs({ room, timer, {}, "x", 1, print, coroutine.create(print) }) do
      for _, name in ipairs({ "send", "write", "receive", "close", "abort", "pause", "join", "data", "id" }) do
         pcall(function() return conn[name](self, "x") end)
      end
   end
   for _, self in ipairs({ conn, timer, {}, "x" }) do
      for _, name in ipairs({ "join", "leave", "send", "members", "has" }) do
         assert(not pcall(room[name], self, conn))
      end
      if self ~= timer then assert(not pcall(timer.cancel, self)) end
   end
   assert(not pcall(function() conn.x = 1 end) and not pcall(function() conn.data = 1 end))
   assert(not pcall(rawset, conn, 1, 1) and not pcall(next, conn))
end)
