-- expect: ended
-- A broadcast in every handler.
local kelpie = require("kelpie")
local function shout() kelpie.broadcast("noise") end
return require("lib.base").handlers(function()
   for _ = 1, 10000 do shout() end
   kelpie.every(0.001, shout)
end, { on_connect = shout, on_disconnect = shout, on_drain = shout, on_error = shout })
