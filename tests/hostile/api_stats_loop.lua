-- expect: killed
-- kelpie.stats, conns, find and client in a loop.
local kelpie = require("kelpie")
return require("lib.base").handlers(function()
   while true do
      kelpie.stats()
      for conn in kelpie.conns() do kelpie.find(conn.id) end
      kelpie.client(0)
      kelpie.find(math.maxinteger)
      kelpie.client(1 << 40)
   end
end)
