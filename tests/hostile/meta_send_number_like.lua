-- expect: error
-- conn:send of a table with a __tostring is a wrong argument: it is not called.
return require("lib.base").handlers(function(conn)
   conn:send(setmetatable({}, { __tostring = function() while true do end end }))
end)
