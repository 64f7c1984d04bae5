-- expect: ended
-- spawn with more arguments than a stack can hold.
local kelpie = require("kelpie")
return require("lib.base").handlers(function()
   local t = {}
   for i = 1, 150000 do t[i] = i end
   for _ = 1, 100 do kelpie.spawn(function() end, table.unpack(t)) end
end)
