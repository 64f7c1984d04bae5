-- expect: killed
-- A handler that never comes back, and an on_error that does not either.
local function endless() while true do end end
return require("lib.base").handlers(endless, { on_error = endless })
