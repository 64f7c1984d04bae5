-- expect: killed
-- A reader that never comes back.
return require("lib.base").handlers(function()
   pcall(load, function() while true do end end)
   while true do end
end)
