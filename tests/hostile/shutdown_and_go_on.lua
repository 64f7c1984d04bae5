-- expect: ended
-- Handlers that never come back in a row: three kills close the connection.
return require("lib.base").handlers(function() while true do end end,
   { on_disconnect = function() while true do end end })
