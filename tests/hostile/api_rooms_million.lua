-- expect: ended
-- Rooms by the million, which nobody holds.
local kelpie = require("kelpie")
return require("lib.base").handlers(function()
   for i = 1, math.huge do kelpie.room("room " .. i) end
end)
