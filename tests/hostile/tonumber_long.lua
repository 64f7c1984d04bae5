-- expect: killed
-- tonumber of long digits.
return require("lib.base").handlers(function()
   local s = ("9"):rep(2000000)
   while true do tonumber(s) tonumber(s, 10) tonumber("0x" .. s) end
end)
