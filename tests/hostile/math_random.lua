-- expect: refused
-- math.random with empty and overflowing intervals; math.tointeger and floor of what is no number.
return require("lib.base").handlers(function()
   pcall(math.random, 2, 1)
   assert(math.random(math.mininteger, math.maxinteger))
   pcall(math.floor, 0 / 0)
   pcall(math.tointeger, {})
   pcall(function() return 1 // 0 end)
   pcall(function() return 1 << 1000 end)
   pcall(function() return math.mininteger // -1 end)
   pcall(function() return math.mininteger % -1 end)
end)
