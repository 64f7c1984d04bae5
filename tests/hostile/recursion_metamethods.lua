-- expect: error
-- Recursion through C: __add, __index, tostring.
local meta = {}
meta.__tostring = function(t) return tostring(t) end
return require("lib.base").handlers(function() tostring(setmetatable({}, meta)) end)
