-- stream.lua - W6: every byte goes back
local handlers = { framing = "raw", max_message = 65536 }

function handlers.on_message(conn, bytes)
   conn:send(bytes)
end

return handlers
