-- expect: killed
-- A coroutine that is suspended, whose variable never finishes closing.
return require("lib.base").handlers(function()
   local co = coroutine.create(function()
      local _ <close> = setmetatable({}, { __close = function() while true do end end })
      coroutine.yield()
   end)
   coroutine.resume(co)
   coroutine.close(co)
end)
