-- expect: killed
-- An __index function that asks itself, in a loop that catches.
return require("lib.base").handlers(function()
   local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end })
   while true do pcall(function() return t[1] end) end
end)
