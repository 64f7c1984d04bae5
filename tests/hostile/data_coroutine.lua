-- expect: refused
-- reload: rejected
-- A coroutine in the data of the other client.
local kelpie = require("kelpie")
return require("lib.base").handlers(function()
   kelpie.client(0).data.co = coroutine.create(function() end)
end)
