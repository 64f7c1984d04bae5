-- expect: ended
-- spawn in a loop.
local kelpie = require("kelpie")
return require("lib.base").handlers(function()
   while true do kelpie.spawn(function() end) end
end)
