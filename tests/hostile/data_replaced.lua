-- expect: refused
-- conn.data with a metatable whose __index never comes back, then replaced.
return require("lib.base").handlers(function(conn)
   conn.data = setmetatable({}, { __index = function() while true do end end })
   conn.data = {}
   conn.data.x = 1
   assert(not pcall(function() conn.data = nil end))
end)
