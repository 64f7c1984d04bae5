-- expect: refused
-- Readers that give no string, raise, or yield.
return require("lib.base").handlers(function()
   local must_raise = require("lib.base").must_raise
   must_raise("string", load, function() return {} end)
   must_raise("x", load, function() error("x") end)
   local co = coroutine.create(function() load(function() coroutine.yield() end) end)
   assert(not coroutine.resume(co))
end)
