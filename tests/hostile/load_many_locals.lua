-- expect: refused
-- More local variables, upvalues and constants than the compiler can take.
return require("lib.base").handlers(function()
   local names = {}
   for i = 1, 300 do names[i] = "a" .. i end
   assert(not load("local " .. table.concat(names, ",")))
   assert(load("return " .. ("1,"):rep(200) .. "1"))
end)
