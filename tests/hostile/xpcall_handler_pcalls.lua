-- expect: killed
-- The message handler hides in pcall.
return require("lib.base").handlers(function()
   xpcall(error, function() while true do pcall(function() while true do end end) end end)
end)
