-- expect: killed
-- Two functions that call each other in tail position.
local f, g
function f() return g() end
function g() return f() end
return require("lib.base").handlers(function() f() end)
