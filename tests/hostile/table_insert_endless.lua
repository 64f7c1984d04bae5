-- expect: killed
-- table.insert into the front of a table that says it is very long.
return require("lib.base").handlers(function()
   table.insert(setmetatable({}, { __len = function() return 1 << 62 end }), 1, "x")
end)
