-- init.lua: the main script. It returns the handlers that kelpie calls.
--
-- Change any file in this folder and send the server SIGHUP: everybody who is connected
-- stays connected, and is served by the new version from then on.
--
--   welcome.lua   what a new client reads
--   message.lua   what the operator reads about clients
--   routing.lua   where a line of a client goes: commands, rooms
--
-- `require` looks in this folder first.

local kelpie = require("kelpie")
local message = require("message")
local routing = require("routing")
local welcome = require("welcome")

-- A kept table survives reloads. The second value is used the first time only.
local visits = kelpie.keep("visits", { total = 0 })

-- A line ends at "\n"; telnet's "\r\n" is understood, too.
local handlers = { framing = "line" }

-- Somebody has connected. conn.number is the smallest number that is free, from 0.
function handlers.on_connect(conn)
   visits.total = visits.total + 1
   conn:send(welcome.text(conn))
end

-- A client has sent a line.
function handlers.on_message(conn, line)
   message.received(conn, line)
   routing.handle(conn, line, visits)
end

-- A client has gone. The reason is "eof", "reset" or one of those in the manual.
function handlers.on_disconnect(conn)
   message.disconnected(conn)
   routing.left(conn)
end

-- The operator has typed a line where the server runs: it goes to every client.
function handlers.on_input(line)
   kelpie.broadcast(line)
end

return handlers
