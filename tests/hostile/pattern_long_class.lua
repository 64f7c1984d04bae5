-- expect: ended
-- A set of a megabyte, asked for each byte.
return require("lib.base").handlers(function()
   local set = "[^" .. ("b"):rep(1000000) .. "]"
   while true do (("b"):rep(100000)):find(set) end
end)
