-- expect: refused
-- The functions of the string library are replaced; kelpie.log formats with its own.
return require("lib.base").handlers(function()
   local format = string.format
   string.format = function() while true do end end
   require("kelpie").log("info", "%d", 1)
   string.format = format
end)
