-- expect: error
-- trigger: disconnect
-- on_disconnect waits for a message of the connection that is gone, then for itself.
local kelpie = require("kelpie")
return require("lib.base").handlers(nil, { on_disconnect = function(conn)
   assert(not conn:receive())
   kelpie.sleep(0.01)
   conn:send("x")
   error("done")
end })
