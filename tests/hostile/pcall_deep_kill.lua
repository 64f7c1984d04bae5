-- expect: killed
-- A hundred thousand pcalls within each other when the kill comes.
local function f() pcall(f) return f() end
return require("lib.base").handlers(function() f() end)
