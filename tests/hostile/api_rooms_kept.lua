-- expect: ended
-- Rooms with long names that are all kept.
local kelpie = require("kelpie")
local kept = {}
return require("lib.base").handlers(function()
   local name = ("n"):rep(1000)
   for i = 1, math.huge do kept[i] = kelpie.room(name .. i) end
end)
