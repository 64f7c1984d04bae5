-- expect: killed
-- A length that never comes back, asked by table.insert.
return require("lib.base").handlers(function()
   table.insert(setmetatable({}, { __len = function() while true do end end }), 1)
end)
