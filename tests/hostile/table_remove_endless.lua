-- expect: killed
-- table.remove from the front of it.
return require("lib.base").handlers(function()
   table.remove(setmetatable({}, { __len = function() return 1 << 62 end }), 1)
end)
