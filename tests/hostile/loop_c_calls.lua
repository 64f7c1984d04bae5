-- expect: killed
-- A loop whose time goes into short C functions.
return require("lib.base").handlers(function()
   local s = ("x"):rep(100000)
   while true do s:upper():lower():reverse() end
end)
