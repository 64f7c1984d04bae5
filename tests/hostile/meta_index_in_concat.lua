-- expect: killed
-- table.concat over a table whose elements come from a function, without end.
return require("lib.base").handlers(function()
   local t = setmetatable({}, { __index = function() return "x" end, __len = function() return 1 << 60 end })
   pcall(table.concat, t, "")
   while true do end
end)
