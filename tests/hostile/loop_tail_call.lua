-- expect: killed
-- Tail calls without end: the stack does not grow.
local function f(n) return f(n + 1) end
return require("lib.base").handlers(function() f(0) end)
