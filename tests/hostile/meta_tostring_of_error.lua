-- expect: error
-- ... called by nobody but the report of the error that it is.
return require("lib.base").handlers(function()
   error(setmetatable({}, { __tostring = function() while true do end end }))
end)
