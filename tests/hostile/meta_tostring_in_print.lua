-- expect: killed
-- A __tostring that never comes back, called by print.
return require("lib.base").handlers(function()
   print(setmetatable({}, { __tostring = function() while true do end end }))
end)
