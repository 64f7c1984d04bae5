-- expect: refused
-- reload: rejected
-- A timer in the data of the other client.
local kelpie = require("kelpie")
return require("lib.base").handlers(function()
   kelpie.client(0).data.timer = kelpie.after(1, print)
end)
