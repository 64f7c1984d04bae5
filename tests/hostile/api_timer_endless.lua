-- expect: killed
-- A timer each millisecond, which never comes back.
local kelpie = require("kelpie")
return require("lib.base").handlers(function()
   kelpie.every(0.001, function() while true do end end)
end)
