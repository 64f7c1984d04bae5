-- expect: killed
-- A concatenation that never comes back.
return require("lib.base").handlers(function()
   return setmetatable({}, { __concat = function() while true do end end }) .. "x"
end)
