-- expect: refused
-- A message larger than any outbox, and sends of odd values.
local kelpie = require("kelpie")
return require("lib.base").handlers(function(conn)
   local ok, _, code = conn:send(("x"):rep(8 << 20))
   assert(not ok and code == "full", code)
   assert(not pcall(conn.send, conn, nil) and not pcall(conn.send, conn, {}))
   assert(not pcall(conn.send) and not pcall(conn.send, {}))
   assert(conn:write("") and conn:send(1, 2.5, "x"))
   assert(kelpie.broadcast(("x"):rep(8 << 20)) == 0)
end)
