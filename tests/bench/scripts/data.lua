-- data.lua - W5: as echo.lua, but each connection has three fields of data
local kelpie = require("kelpie")

local handlers = { framing = "line" }

function handlers.on_connect(conn)
   conn.data.name = "guest" .. conn.number
   conn.data.since = kelpie.now()
   conn.data.score = 0
end

function handlers.on_message(conn, line)
   conn:send(line)
end

return handlers
