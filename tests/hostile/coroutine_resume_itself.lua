-- expect: refused
-- Resuming the running coroutine, the main one and a normal one are errors, no more.
return require("lib.base").handlers(function()
   local me = coroutine.running()
   assert(not coroutine.resume(me))
   assert(coroutine.wrap(function() return not coroutine.resume(me) end)())
   assert(not pcall(coroutine.close, me))
end)
