-- expect: killed
-- pcall of pcall of pcall ..., and then goes on.
return require("lib.base").handlers(function()
   while true do pcall(pcall, pcall, pcall, function() while true do end end) end
end)
