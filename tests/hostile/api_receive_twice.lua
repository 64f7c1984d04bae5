-- expect: error
-- Two tasks wait for the messages of one connection.
local kelpie = require("kelpie")
return require("lib.base").handlers(function(conn)
   kelpie.spawn(function() conn:receive() end)
   kelpie.sleep(0)
   conn:receive()
end)
