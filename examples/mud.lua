-- mud.lua: a small world to walk about in, whose rooms are files that are edited live
--
--   kelpie run --watch -p 4000 examples/mud.lua
--   telnet 127.0.0.1 4000          (or tf 127.0.0.1 4000)
--
-- The rooms are mud/rooms/NAME.lua. Save one, and who stands in it reads the new text with the
-- next "look"; add one to ROOMS in mud/world.lua, and an exit to it. Who stands in a room that is
-- gone wakes up on the square. A room with a mistake is refused: the world stays as it was.
--
--    mud/world.lua   rooms, things, people      mud/commands.lua   what a player can do
--    mud/login.lua   names and passwords        mud/telnet.lua     the protocol
--
-- What survives a reload: the things, the passwords, and of each player conn.data, which has name,
-- room, bag = { thing, ... }, attempts, telnet (the state of that protocol).

local command = require("mud.commands")
local log_in = require("mud.login")
local telnet = require("mud.telnet")
local world = require("mud.world")

local IDLE_SECONDS = 1800

local handlers = { framing = "raw", max_message = 512, self_test = world.check, on_adopt = world.adopt }

function handlers.on_connect(conn)
   conn.data.telnet = {}
   conn:set_timeout(IDLE_SECONDS)
   world.tell(conn, "Your name?")
end

function handlers.on_message(conn, bytes)
   local lines, answer = telnet.read(conn.data.telnet, bytes)
   if answer ~= "" then
      conn:write(answer)
   end
   for _, line in ipairs(lines) do
      if conn:is_open() then
         (conn.data.room and command or log_in)(conn, line)
      end
   end
end

-- What somebody carried stays behind.
function handlers.on_disconnect(conn)
   local bag = conn.data.bag
   if conn.data.room and world.room(conn) then
      local things = world.things(conn)
      world.leave(conn, " fades away.")
      table.move(bag, 1, #bag, #things + 1, things)
   end
end

return handlers
