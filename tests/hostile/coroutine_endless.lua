-- expect: killed
-- The loop is in a coroutine.
return require("lib.base").handlers(function()
   coroutine.resume(coroutine.create(function() while true do end end))
end)
