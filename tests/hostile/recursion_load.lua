-- expect: error
-- load within its reader function, without end.
local function f() load(f) return nil end
return require("lib.base").handlers(function() assert(f()) end)
