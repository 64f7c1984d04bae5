-- expect: killed
-- The message handler raises, so that it is called again, in a loop.
return require("lib.base").handlers(function()
   while true do xpcall(error, function(e) error(e) end, "x") end
end)
