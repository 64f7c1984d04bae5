-- expect: ended
-- on_error spawns what raises, so that it is called again.
local kelpie = require("kelpie")
return require("lib.base").handlers(function() error("x") end, { on_error = function() kelpie.spawn(error, "y") end })
