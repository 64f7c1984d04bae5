-- expect: killed
-- == and <= that never come back, each caught.
return require("lib.base").handlers(function()
   local meta = { __eq = function() while true do end end }
   meta.__le = meta.__eq
   local a, b = setmetatable({}, meta), setmetatable({}, meta)
   while true do
      pcall(function() return a == b end)
      pcall(function() return a <= b end)
   end
end)
