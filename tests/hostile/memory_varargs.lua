-- expect: ended
-- A function that calls itself with ever more arguments.
local function more(...) return more(1, 2, 3, 4, 5, 6, 7, 8, ...) end
return require("lib.base").handlers(function() more() end)
