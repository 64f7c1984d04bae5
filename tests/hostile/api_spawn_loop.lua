-- expect: ended
-- linger: 300
-- Functions that never end, as many as the server takes, and on without looking at the answer.
local kelpie = require("kelpie")
return require("lib.base").handlers(function()
   while true do
      kelpie.spawn(function() while true do kelpie.sleep(1) end end)
   end
end)
