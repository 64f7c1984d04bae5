-- expect: refused
-- select with numbers beyond the arguments.
return require("lib.base").handlers(function()
   pcall(select, math.mininteger, 1)
   assert(select(math.maxinteger, 1) == nil)
   assert(not pcall(select, 0))
end)
