-- expect: killed
-- pcall, error and the rest of the globals are replaced, at load, by loops.
local handlers = require("lib.base").handlers(function() while true do pcall(error) end end)
local function endless() while true do end end
for _, name in ipairs({ "tostring", "type", "error", "select", "assert" }) do
   _G[name] = endless
end
return handlers
