-- churn.lua - W4: a line of welcome, then the end
local handlers = { framing = "line" }

function handlers.on_connect(conn)
   conn:send("welcome! this is what you get.")
   conn:close()
end

return handlers
