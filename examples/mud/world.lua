-- world.lua: the rooms, what lies in them, and who stands where; for mud.lua
--
-- A room is a file of mud/rooms, which returns a table with title, text, exits, things, on_enter.
-- What lies about and what somebody carries are kept, the rest is as the files say now.

local kelpie = require("kelpie")

local ROOMS = { "square", "inn", "garden" }
local MAX_SEEN = 20 -- people who are told one by one

local kept = kelpie.keep("mud world", { things = {} }) -- things: room -> { thing, ... }
local world = { START = "square", rooms = {} }

for _, name in ipairs(ROOMS) do
   local room = require("mud.rooms." .. name)
   world.rooms[name] = room
   if not kept.things[name] then
      kept.things[name] = table.move(room.things or {}, 1, 100, 1, {})
   end
end

-- Raises when a room is not what it should be: then the world stays as it was.
function world.check()
   for name, room in pairs(world.rooms) do
      if type(room) ~= "table" or type(room.title) ~= "string" or type(room.text) ~= "string" then
         error("the room '" .. name .. "' has no title or no text", 0)
      end
   end
   assert(world.rooms[world.START], "there is no room to begin in")
end

-- A line as telnet wants it: a byte 255 is doubled.
local function line(text)
   return text:gsub("\255", "\255\255") .. "\r\n"
end

function world.tell(conn, text)
   conn:write(line(text))
end

local function people(name)
   return kelpie.room("mud " .. name)
end

-- Tells those in the same room.
function world.tell_others(conn, text)
   people(conn.data.room):write(line(text), conn)
end

-- The room where somebody is.
function world.room(conn)
   return world.rooms[conn.data.room]
end

-- The things that lie there.
function world.things(conn)
   return kept.things[conn.data.room]
end

function world.look(conn)
   local room = world.room(conn)
   local exits = {}
   for direction in pairs(room.exits or {}) do
      table.insert(exits, direction)
   end
   table.sort(exits)
   world.tell(conn, room.title)
   world.tell(conn, room.text)
   world.tell(conn, "Exits: " .. (#exits > 0 and table.concat(exits, ", ") or "none"))
   for _, thing in ipairs(world.things(conn)) do
      world.tell(conn, "There is a " .. thing .. ".")
   end
   local n = 0
   for other in people(conn.data.room):members() do
      if other ~= conn then
         n = n + 1
         if n > MAX_SEEN then
            world.tell(conn, "There is a crowd here.")
            return
         end
         world.tell(conn, other.data.name .. " is here.")
      end
   end
end

function world.enter(conn, name)
   conn.data.room = name
   people(name):join(conn)
   world.tell_others(conn, conn.data.name .. " comes in.")
   world.look(conn)
   if world.rooms[name].on_enter then
      world.rooms[name].on_enter(conn.data, function(text)
         world.tell(conn, text)
      end)
   end
end

function world.leave(conn, text)
   world.tell_others(conn, conn.data.name .. text)
   people(conn.data.room):leave(conn)
end

-- Somebody's room may be gone in the new version.
function world.adopt(conn)
   if conn.data.room and not world.room(conn) then
      people(conn.data.room):leave(conn)
      world.tell(conn, "The world changes around you.")
      world.enter(conn, world.START)
   end
end

return world
