-- echo.lua - W1, W2, W5: every line goes back
local handlers = { framing = "line" }

function handlers.on_message(conn, line)
   conn:send(line)
end

return handlers
