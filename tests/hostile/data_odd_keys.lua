-- expect: refused
-- Data with connections, rooms, floats and long strings as keys.
local kelpie = require("kelpie")
return require("lib.base").handlers(function(conn)
   local data = kelpie.client(0).data
   data[conn], data[kelpie.room("x")], data[0.5], data[("k"):rep(100000)] = conn, kelpie.room("y"), 1, 2
   data[math.huge], data[-0.0], data[math.mininteger], data[""] = 1, 2, 3, 4
end)
