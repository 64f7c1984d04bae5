-- expect: killed
-- One endless coroutine after the other: each would be a fresh start.
return require("lib.base").handlers(function()
   while true do coroutine.resume(coroutine.create(function() while true do end end)) end
end)
