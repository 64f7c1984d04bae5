-- expect: ended
-- Forty thousand coroutines that close each other: overflows the C stack of Lua 5.4.4.
return require("lib.base").handlers(function()
   local co
   for _ = 1, 40000 do
      local before = co
      co = coroutine.create(function()
         local _ <close> = setmetatable({}, { __close = function()
            if before then coroutine.close(before) end
         end })
         coroutine.yield()
      end)
      coroutine.resume(co)
   end
   coroutine.close(co)
end)
