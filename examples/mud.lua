-- mud.lua: a small world to walk about in, whose rooms are files that are edited live
--
--   kelpie run --watch -p 4000 examples/mud.lua
--   telnet 127.0.0.1 4000          (or tf 127.0.0.1 4000)
--
-- The rooms are examples/mud/NAME.lua, tables with title, text, exits and things. Save one, and
-- who stands in it reads the new text with the next "look"; add one to ROOMS below, and an exit
-- to it. Who stands in a room that is gone wakes up on the square.
--
-- What survives a reload:
--   conn.data   name, room, bag = { thing, ... }, telnet (the state of that protocol)
--   world       things: room -> { thing, ... }; passwords: name -> password, until the server ends

local kelpie = require("kelpie")
local telnet = require("mud.telnet")

local ROOMS = { "square", "inn", "garden" }
local START = "square"
local MAX_ACCOUNTS = 1000
local MAX_ATTEMPTS = 3

local world = kelpie.keep("mud world", { things = {}, passwords = {}, n_passwords = 0 })
local rooms = {}
for _, name in ipairs(ROOMS) do
   rooms[name] = require("mud." .. name)
   if not world.things[name] then
      world.things[name] = table.move(rooms[name].things or {}, 1, 100, 1, {})
   end
end

local commands = {}
local directions = { n = "north", s = "south", e = "east", w = "west" }

local function tell(conn, text)
   conn:send((text:gsub("\255", "\255\255")), "\r\n") -- a byte 255 is doubled in telnet
end

local function people(name)
   return kelpie.room("mud " .. name)
end

local function tell_others(conn, text)
   for other in people(conn.data.room):members() do
      if other ~= conn then
         tell(other, text)
      end
   end
end

local function find(list, thing)
   for i, other in ipairs(list) do
      if other == thing then
         return i
      end
   end
   return nil
end

function commands.look(conn)
   local name = conn.data.room
   local room = rooms[name]
   local exits = {}
   for direction in pairs(room.exits or {}) do
      table.insert(exits, direction)
   end
   table.sort(exits)
   tell(conn, room.title)
   tell(conn, room.text)
   tell(conn, "Exits: " .. table.concat(exits, ", "))
   for _, thing in ipairs(world.things[name]) do
      tell(conn, "There is a " .. thing .. ".")
   end
   for other in people(name):members() do
      if other ~= conn then
         tell(conn, other.data.name .. " is here.")
      end
   end
end

local function enter(conn, name)
   conn.data.room = name
   people(name):join(conn)
   tell_others(conn, conn.data.name .. " comes in.")
   commands.look(conn)
   if rooms[name].on_enter then
      rooms[name].on_enter(conn.data, function(text)
         tell(conn, text)
      end)
   end
end

local function leave(conn, text)
   tell_others(conn, conn.data.name .. text)
   people(conn.data.room):leave(conn)
end

function commands.go(conn, direction)
   direction = directions[direction] or direction
   local target = (rooms[conn.data.room].exits or {})[direction]
   if not rooms[target or ""] then
      tell(conn, "There is no way.")
      return
   end
   leave(conn, " goes " .. direction .. ".")
   enter(conn, target)
end

function commands.say(conn, text)
   tell_others(conn, conn.data.name .. " says: " .. text)
   tell(conn, "You say: " .. text)
end

-- Moves a thing from one list to another; true when it was there.
local function move(conn, from, to, thing, done)
   local i = find(from, thing)
   if i then
      table.insert(to, table.remove(from, i))
   end
   tell(conn, i and "You " .. done .. " the " .. thing .. "." or "There is no such thing.")
end

function commands.take(conn, thing)
   move(conn, world.things[conn.data.room], conn.data.bag, thing, "take")
end

function commands.drop(conn, thing)
   move(conn, conn.data.bag, world.things[conn.data.room], thing, "drop")
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

local function is_playing(name)
   for other in kelpie.conns() do
      if other.data.room and other.data.name == name then
         return true
      end
   end
   return false
end

-- The first line of somebody is a name, the second one a password.
local function log_in(conn, line)
   local data = conn.data
   if not data.name then
      if #line > 20 or not line:find("^%a+$") then
         tell(conn, "A name has up to 20 letters. Your name?")
         return
      end
      data.name = line
      conn:write(telnet.hide(data.telnet, true))
      tell(conn, world.passwords[line] and "Password?" or "You are new. Choose a password:")
      return
   end
   conn:write(telnet.hide(data.telnet, false), "\r\n") -- the newline that was not shown
   local password = world.passwords[data.name]
   if password ~= nil and password ~= line or is_playing(data.name) or
      not password and world.n_passwords == MAX_ACCOUNTS then
      data.attempts = (data.attempts or 0) + 1
      data.name = nil
      tell(conn, "No. Your name?")
      if data.attempts == MAX_ATTEMPTS then
         conn:close("password")
      end
      return
   elseif not password then
      world.passwords[data.name] = line
      world.n_passwords = world.n_passwords + 1
   end
   data.bag = {}
   enter(conn, START)
end

local handlers = { framing = "raw", max_message = 1024 }

function handlers.on_connect(conn)
   conn.data.telnet = {}
   conn:set_timeout(1800)
   tell(conn, "Your name?")
end

-- A room may be gone in the new version.
function handlers.on_adopt(conn)
   if conn.data.room and not rooms[conn.data.room] then
      people(conn.data.room):leave(conn)
      tell(conn, "The world changes around you.")
      enter(conn, START)
   end
end

local function play(conn, line)
   local verb, rest = line:match("^%s*(%a+)%s*(.-)%s*$")
   if rooms[conn.data.room] == nil or not verb then
      return
   elseif directions[verb] or (rooms[conn.data.room].exits or {})[verb] then
      commands.go(conn, verb)
   elseif commands[verb] then
      commands[verb](conn, rest)
   else
      tell(conn, "You cannot do that. Try: help")
   end
end

function handlers.on_message(conn, bytes)
   local lines, answer = telnet.read(conn.data.telnet, bytes)
   if answer ~= "" then
      conn:write(answer)
   end
   for _, line in ipairs(lines) do
      if conn:is_open() then
         (conn.data.room and play or log_in)(conn, line)
      end
   end
end

-- What somebody carried stays behind.
function handlers.on_disconnect(conn)
   local data = conn.data
   if data.room and rooms[data.room] then
      leave(conn, " fades away.")
      table.move(data.bag, 1, #data.bag, #world.things[data.room] + 1, world.things[data.room])
   end
end

return handlers
