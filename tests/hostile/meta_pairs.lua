-- expect: killed
-- A __pairs whose iterator never ends.
return require("lib.base").handlers(function()
   local t = setmetatable({}, { __pairs = function() return function() return 1 end end })
   for _ in pairs(t) do end
end)
