-- expect: refused
-- close, abort, join and leave of the connection in each of its handlers, many times.
local kelpie = require("kelpie")
local base = require("lib.base")
local function fuss(conn)
   if not conn or not base.is_attacker(conn) then return end
   conn:join("a")
   conn:leave("a")
   conn:join("a")
   conn:close("x")
   conn:close("y")
   conn:join("a")
   conn:send("z")
   conn:pause()
   conn:resume()
   conn:set_timeout(1)
   pcall(conn.set_framing, conn, "raw")
   conn:receive()
   conn:close()
end
return base.handlers(function(conn)
   kelpie.spawn(fuss, conn)
   kelpie.after(0, function() fuss(conn) conn:abort() fuss(conn) end)
end, { on_disconnect = fuss, on_drain = fuss })
