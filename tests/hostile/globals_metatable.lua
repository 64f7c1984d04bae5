-- expect: refused
-- The lock of the globals and what can be done with _G and _ENV.
return require("lib.base").handlers(function()
   assert(not pcall(function() _G.surprise = 1 end))
   assert(not pcall(load("surprise = 1")))
   local f = load("x = 1 while x < 10 do x = x + 1 end return x", "x", "t", {})
   assert(f() == 10)
   local _ENV = setmetatable({}, { __index = _G, __newindex = error })
   assert(nothing == nil)
   pcall(load, "return 1", "x", "t", _ENV)
end)
