-- history.lua: what was said last in each room; for chat.lua
--
-- A kept table: who comes after a reload still reads it. Rooms that spoke first are forgotten
-- first, or somebody who joins ever new rooms would fill the memory.

local kelpie = require("kelpie")

local MAX_LINES = 20 -- of each room
local MAX_ROOMS = 200

-- rooms: name -> { line, ... }; order: the names, from the oldest on.
local kept = kelpie.keep("chat history", { rooms = {}, order = {} })
local history = {}

local function new_room(name)
   if #kept.order >= MAX_ROOMS then
      kept.rooms[table.remove(kept.order, 1)] = nil
   end
   kept.rooms[name] = {}
   table.insert(kept.order, name)
   return kept.rooms[name]
end

function history.add(room, line)
   local lines = kept.rooms[room] or new_room(room)
   table.insert(lines, line)
   if #lines > MAX_LINES then
      table.remove(lines, 1)
   end
end

-- The last lines of a room, the oldest first.
function history.lines(room)
   return kept.rooms[room] or {}
end

return history
