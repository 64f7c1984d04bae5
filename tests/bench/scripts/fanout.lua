-- fanout.lua - W3: "join" makes a member, any other line goes to all members
local kelpie = require("kelpie")
local hall = kelpie.room("hall")

local handlers = { framing = "line" }

function handlers.on_message(conn, line)
   if line == "join" then
      hall:join(conn)
      conn:send("joined")
   else
      hall:send(line)
   end
end

return handlers
