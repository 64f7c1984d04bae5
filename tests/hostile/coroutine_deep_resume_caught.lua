-- expect: ended
-- The same with resume, where each level goes on after the error.
local function deeper()
   local co = coroutine.create(deeper)
   coroutine.resume(co)
   coroutine.resume(coroutine.create(function() end))
end
return require("lib.base").handlers(deeper)
