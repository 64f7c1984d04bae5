-- init.lua: the main script. It returns the handlers that kelpie calls.
--
-- Change it while the server runs and type `kelpie reload`: everybody stays connected, and is
-- served by the new version from then on. A version that is broken is rejected.

local kelpie = require("kelpie")

-- A kept table survives reloads. The second value is used the first time only.
local visits = kelpie.keep("visits", { total = 0 })

-- Clients speak in lines. Others: "crlf", "raw", "netstring", { "length", bytes = 4 }, ...
local handlers = { framing = "line" }

-- Somebody has connected. conn.number is the smallest number that is free, from 0.
function handlers.on_connect(conn)
   visits.total = visits.total + 1
   conn:send("hello, you are visitor " .. visits.total .. "; say your name")
end

-- A client has sent a line. conn.data is a table for us, and survives reloads.
function handlers.on_message(conn, line)
   if line == "bye" then
      conn:send("see you")
      conn:close("bye")
   elseif not conn.data.name then
      conn.data.name = line
      conn:send("welcome, " .. line)
   else
      kelpie.broadcast(conn.data.name .. ": " .. line)
   end
end

-- A client has gone. The reason is "eof", "reset", "bye", ...
function handlers.on_disconnect(conn, reason)
   print((conn.data.name or "somebody") .. " has gone: " .. reason)
end

return handlers
