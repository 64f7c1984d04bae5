-- expect: refused
-- A __name of a megabyte, and one with control bytes, in an error message and in tostring.
return require("lib.base").handlers(function()
   for _, name in ipairs({ ("x"):rep(1000000), "\27[2J\n\0\r", "%s%n%d" }) do
      local t = setmetatable({}, { __name = name })
      print(tostring(t))
      pcall(string.rep, t)
      pcall(function() return t < t end)
   end
end)
