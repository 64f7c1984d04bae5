-- expect: killed
-- Each step copies megabytes in C.
return require("lib.base").handlers(function()
   local s = ("x"):rep(3000000)
   while true do local _ = s .. "y" end
end)
