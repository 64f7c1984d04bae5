-- expect: refused
-- A handle that outlives its connection, used by a timer.
local kelpie = require("kelpie")
return require("lib.base").handlers(function(conn)
   kelpie.every(0.001, function()
      if conn:is_open() then return end
      local ok, _, code = conn:send("x")
      assert(not ok and code == "closed")
      assert(conn.id and conn.number and conn.peer and conn.data and tostring(conn))
      conn:close() conn:abort() conn:join("x") conn:leave("x") conn:rooms() conn:queued()
   end)
end)
