-- expect: refused
-- Members that leave and join while they are walked over and sent to.
local kelpie = require("kelpie")
local room = kelpie.room("x")
return require("lib.base").handlers(function()
   for conn in kelpie.conns() do room:join(conn) end
   for _ = 1, 100 do
      for conn in room:members() do
         room:leave(conn)
         room:send("x", conn)
         room:join(conn)
         room:leave(conn)
      end
   end
   assert(#room == 0)
end)
