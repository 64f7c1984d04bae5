-- expect: ended
-- linger: 300
-- Fifty thousand functions that sleep for no time, for ever.
local kelpie = require("kelpie")
return require("lib.base").handlers(function()
   for _ = 1, 50000 do
      kelpie.spawn(function() while true do kelpie.sleep(0) end end)
   end
end)
