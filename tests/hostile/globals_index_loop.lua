-- expect: killed
-- A metatable on the globals whose __index never comes back.
setmetatable(_G, { __index = function() while true do end end })
return require("lib.base").handlers(function() return surprise end)
