-- expect: load-rejected
-- trigger: load
-- listeners that contain themselves.
local handlers = {}
handlers.listeners = { a = handlers, b = { listeners = handlers } }
return handlers
