-- expect: refused
-- The metatable that all strings share cannot be had.
return require("lib.base").handlers(function()
   assert(getmetatable("") == false)
   assert(not pcall(setmetatable, "", {}))
   assert(not pcall(function() getmetatable("").__index = nil end))
   assert(("x"):rep(3) == "xxx")
end)
