-- expect: refused
-- The handlers table is emptied and filled with other things after it was returned.
local handlers
handlers = require("lib.base").handlers(function()
   for name in pairs(handlers) do handlers[name] = nil end
   handlers.on_message, handlers.framing, handlers.on_disconnect = 1, {}, "x"
   setmetatable(handlers, { __index = error })
end)
return handlers
