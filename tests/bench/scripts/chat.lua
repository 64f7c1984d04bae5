-- chat.lua - W7: "/name N", "/join R"; "/say T" goes to all in the room as "N: T"
local kelpie = require("kelpie")

local commands = {}

function commands.name(conn, name)
   conn.data.name = name
   conn:send("named")
end

function commands.join(conn, name)
   conn.data.room = kelpie.room(name)
   conn.data.room:join(conn)
   conn:send("joined")
end

function commands.say(conn, text)
   conn.data.room:send(conn.data.name .. ": " .. text)
end

local handlers = { framing = "line" }

function handlers.on_message(conn, line)
   local name, rest = line:match("^/(%a+) (.*)$")
   local command = commands[name]
   if command then
      command(conn, rest)
   else
      conn:send("what?")
   end
end

return handlers
