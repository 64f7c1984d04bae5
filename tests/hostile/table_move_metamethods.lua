-- expect: killed
-- table.move between tables with functions for elements.
return require("lib.base").handlers(function()
   local t = setmetatable({}, { __index = function() return 1 end, __newindex = function() end })
   table.move(t, 1, 1 << 62, 2)
end)
