-- expect: killed
-- The coroutine was made by the load, when another clock ran.
local co = coroutine.create(function() while true do pcall(function() while true do end end) end end)
return require("lib.base").handlers(function()
   while true do coroutine.resume(co) end
end)
