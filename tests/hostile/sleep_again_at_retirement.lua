-- expect: refused
-- linger: 700
-- Suspended handlers that refuse to end: each time they are told so they wait again.
local kelpie = require("kelpie")
return require("lib.base").handlers(function()
   for _ = 1, 50 do
      kelpie.spawn(function() while true do kelpie.sleep(3600) end end)
   end
end)
