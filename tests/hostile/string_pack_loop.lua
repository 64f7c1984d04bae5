-- expect: killed
-- string.unpack of a long format, again and again.
return require("lib.base").handlers(function()
   local format, s = ("i1"):rep(10000), ("x"):rep(10000)
   while true do string.unpack(format, s) end
end)
