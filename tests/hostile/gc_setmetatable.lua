-- expect: refused
-- Finalizers, which would run with hooks off, cannot be set.
return require("lib.base").handlers(function()
   local must_raise = require("lib.base").must_raise
   must_raise("__gc", setmetatable, {}, { __gc = function() while true do end end })
   must_raise("__gc", setmetatable, {}, { __gc = true })
end)
