-- expect: killed
-- ... called by kelpie.log.
return require("lib.base").handlers(function()
   require("kelpie").log("error", "%s", setmetatable({}, { __tostring = function() while true do end end }))
end)
