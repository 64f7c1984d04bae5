-- receive.lua - W2.32.receive: every line goes back, in a loop for each connection
local handlers = { framing = "line" }

function handlers.on_connect(conn)
   local line = conn:receive()
   while line do
      conn:send(line)
      line = conn:receive()
   end
end

return handlers
