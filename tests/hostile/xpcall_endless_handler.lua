-- expect: killed
-- The message handler of xpcall is endless too: it would run within the hook.
local function endless() while true do end end
return require("lib.base").handlers(function() xpcall(endless, endless) end)
