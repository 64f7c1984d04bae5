-- expect: refused
-- Handles as keys, in comparisons and in concatenations.
return require("lib.base").handlers(function(conn)
   local t = { [conn] = 1 }
   assert(t[require("kelpie").find(conn.id)] == 1)
   assert(not pcall(function() return conn < conn end) and not pcall(function() return conn .. "" end))
   assert(not pcall(function() return #conn end) and not pcall(function() return conn() end))
end)
