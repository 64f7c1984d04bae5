-- expect: ended
-- The same chain, with the refusal of each level caught.
return require("lib.base").handlers(function()
   local co
   for _ = 1, 20000 do
      local before = co
      co = coroutine.create(function()
         local _ <close> = setmetatable({}, { __close = function()
            if before then pcall(coroutine.close, before) end
         end })
         coroutine.yield()
      end)
      coroutine.resume(co)
   end
   pcall(coroutine.close, co)
end)
