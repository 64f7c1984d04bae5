-- expect: killed
-- table.concat of empty strings, 2^62 of them.
return require("lib.base").handlers(function()
   local t = setmetatable({}, { __index = function() return "" end })
   table.concat(t, "", 1, 1 << 62)
end)
