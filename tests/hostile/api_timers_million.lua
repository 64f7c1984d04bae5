-- expect: ended
-- Timers by the million.
local kelpie = require("kelpie")
return require("lib.base").handlers(function()
   for i = 1, 1000000 do kelpie.after(3600 + i, print) end
end)
