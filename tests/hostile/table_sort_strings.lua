-- expect: killed
-- table.sort of long strings that differ in their last byte.
return require("lib.base").handlers(function()
   local t, s = {}, ("x"):rep(100000)
   for i = 1, 200 do t[i] = s .. i end
   while true do
      table.sort(t)
      table.sort(t, function(a, b) return a > b end)
   end
end)
