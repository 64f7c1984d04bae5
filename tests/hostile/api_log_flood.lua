-- expect: ended
-- Records in a loop.
local kelpie = require("kelpie")
return require("lib.base").handlers(function()
   while true do kelpie.log("error", "%s", "flood") end
end)
