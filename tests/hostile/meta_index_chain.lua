-- expect: error
-- An __index chain that is a circle.
return require("lib.base").handlers(function()
   local a, b = {}, {}
   setmetatable(a, { __index = b })
   setmetatable(b, { __index = a })
   return a.x
end)
