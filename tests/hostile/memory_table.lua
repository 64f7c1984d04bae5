-- expect: memory
-- A table that grows without end.
return require("lib.base").handlers(function()
   local t = {}
   for i = 1, math.huge do t[#t + 1] = i end
end)
