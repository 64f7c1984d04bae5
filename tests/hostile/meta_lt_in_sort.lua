-- expect: killed
-- A comparison that never comes back, called by table.sort.
return require("lib.base").handlers(function()
   local meta = { __lt = function() while true do end end }
   table.sort({ setmetatable({}, meta), setmetatable({}, meta) })
end)
