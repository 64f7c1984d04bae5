-- expect: ended
-- Coroutines with deep stacks, all of which are kept.
local kept = {}
local function deep(n)
   if n == 0 then coroutine.yield() else deep(n - 1) end
   return n
end
return require("lib.base").handlers(function()
   while true do
      local co = coroutine.create(deep)
      kept[#kept + 1] = co
      coroutine.resume(co, 10000)
   end
end)
