-- expect: killed
-- A plain error, whose message handler is endless.
return require("lib.base").handlers(function()
   xpcall(error, function() while true do end end, "x")
end)
