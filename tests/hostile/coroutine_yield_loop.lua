-- expect: killed
-- Two that hand the turn to each other for ever.
return require("lib.base").handlers(function()
   local f = coroutine.wrap(function() while true do coroutine.yield() end end)
   while true do f() end
end)
