-- expect: ended
-- A hundred thousand suspended coroutines that stay alive.
local kept = {}
return require("lib.base").handlers(function()
   for i = 1, 100000 do
      kept[i] = coroutine.create(function() coroutine.yield() end)
      coroutine.resume(kept[i])
   end
end)
