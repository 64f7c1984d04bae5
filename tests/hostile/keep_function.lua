-- expect: refused
-- reload: rejected
-- A function in kept data.
local kept = require("kelpie").keep("kept", {})
return require("lib.base").handlers(function() kept.f = function() end end)
