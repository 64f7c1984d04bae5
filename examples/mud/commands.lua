-- commands.lua: what a player can do; for mud.lua

local world = require("mud.world")

local tell, tell_others = world.tell, world.tell_others
local directions = { n = "north", s = "south", e = "east", w = "west" }
local commands = { look = world.look }

function commands.go(conn, direction)
   direction = directions[direction] or direction
   local target = (world.room(conn).exits or {})[direction]
   if not world.rooms[target or ""] then
      tell(conn, "There is no way.")
      return
   end
   world.leave(conn, " goes " .. direction .. ".")
   world.enter(conn, target)
end

function commands.say(conn, text)
   if text == "" then
      tell(conn, "Say what?")
      return
   end
   tell_others(conn, conn.data.name .. " says: " .. text)
   tell(conn, "You say: " .. text)
end

-- Moves a thing from one list to another; false when it is not there.
local function move(from, to, thing)
   for i, other in ipairs(from) do
      if other == thing then
         table.insert(to, table.remove(from, i))
         return true
      end
   end
   return false
end

function commands.take(conn, thing)
   local done = move(world.things(conn), conn.data.bag, thing)
   tell(conn, done and "You take the " .. thing .. "." or "There is no such thing.")
   if done then
      tell_others(conn, conn.data.name .. " takes the " .. thing .. ".")
   end
end

function commands.drop(conn, thing)
   local done = move(conn.data.bag, world.things(conn), thing)
   tell(conn, done and "You drop the " .. thing .. "." or "You have no such thing.")
   if done then
      tell_others(conn, conn.data.name .. " drops the " .. thing .. ".")
   end
end

function commands.bag(conn)
   tell(conn, "You carry: " .. (#conn.data.bag > 0 and table.concat(conn.data.bag, ", ") or "nothing"))
end

function commands.help(conn)
   tell(conn, "look, go DIRECTION (or n, s, e, w), say TEXT, take THING, drop THING, bag, quit")
end

function commands.quit(conn)
   tell(conn, "Farewell.")
   conn:close("quit")
end

-- Does what a line says.
return function(conn, line)
   local verb, rest = line:match("^%s*(%S+)%s*(.-)%s*$")
   if not verb then
      return -- an empty line
   elseif directions[verb] or (world.room(conn).exits or {})[verb] then
      commands.go(conn, verb)
   elseif commands[verb] then
      commands[verb](conn, rest)
   else
      tell(conn, "You cannot do that. Try: help")
   end
end
