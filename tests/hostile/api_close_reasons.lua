-- expect: refused
-- Reasons of a megabyte, with control bytes, of another type.
return require("lib.base").handlers(function(conn)
   assert(not pcall(conn.close, conn, {}))
   conn:send("survived")
   conn:close(("\27\n\0"):rep(400000))
end, { on_disconnect = function(_, reason) print(reason) end })
