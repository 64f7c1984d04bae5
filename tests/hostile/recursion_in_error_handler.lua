-- expect: ended
-- Recursion without end, and once more in the handler of its error.
local function f() return 1 + f() end
return require("lib.base").handlers(function() xpcall(f, f) end)
