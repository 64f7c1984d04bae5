-- expect: ended
-- string.format that multiplies its argument.
return require("lib.base").handlers(function()
   local s = ("x"):rep(1 << 20)
   local args = {}
   for i = 1, 200 do args[i] = s end
   return string.format(("%s"):rep(200), table.unpack(args))
end)
