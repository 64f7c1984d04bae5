-- expect: error
-- Coroutines within coroutines without end: the C stack.
local function deeper() return coroutine.wrap(function() return deeper() + 1 end)() end
return require("lib.base").handlers(function() deeper() end)
