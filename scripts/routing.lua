-- routing.lua: where a line of a client goes
--
-- A line that begins with "/" is a command. Any other line goes to everybody else in the
-- client's room; one who is in no room talks to the operator only.
--
-- conn.data is a table for us. It belongs to the connection and survives reloads:
--   conn.data.name   what /nick has set
--   conn.data.room   the name of the room

local kelpie = require("kelpie")

local MAX_NAME = 24

local routing = {}
local commands = {}
local help = {
   "/nick NAME          be called NAME",
   "/join ROOM          enter a room, leave the one you are in",
   "/leave              leave your room",
   "/msg NUMBER TEXT    say something to one client",
   "/who                who is here",
   "/help               this list",
}

local function name_of(conn)
   return conn.data.name or "client #" .. conn.number
end

-- Names of people and rooms: letters, digits, _ and -, from all over the world (what is not
-- ASCII are bytes above 127).
local function is_name(text)
   return #text <= MAX_NAME and text:find("^[%w_\128-\255-]+$") ~= nil
end

-- Sends to everybody in the client's room but the client.
local function tell_room(conn, text)
   if conn.data.room then
      kelpie.room(conn.data.room):send(text, conn)
   end
end

local function leave_room(conn)
   if conn.data.room then
      tell_room(conn, name_of(conn) .. " left " .. conn.data.room)
      kelpie.room(conn.data.room):leave(conn)
      conn.data.room = nil
   end
end

local function name_is_taken(name, except)
   for other in kelpie.conns() do
      if other ~= except and other.data.name == name then
         return true
      end
   end
   return false
end

function commands.nick(conn, name)
   if not is_name(name) then
      conn:send("a name is up to " .. MAX_NAME .. " letters, digits, _ and -: /nick NAME")
   elseif name_is_taken(name, conn) then
      conn:send("somebody is called " .. name .. " already")
   else
      tell_room(conn, name_of(conn) .. " is now called " .. name)
      conn.data.name = name
      conn:send("you are now called " .. name)
   end
end

function commands.join(conn, name)
   if not is_name(name) then
      conn:send("a room's name is up to " .. MAX_NAME .. " letters, digits, _ and -: /join ROOM")
      return
   end
   leave_room(conn)
   local room = kelpie.room(name)
   room:join(conn)
   conn.data.room = name
   tell_room(conn, name_of(conn) .. " joined " .. name)
   conn:send("you are in " .. name .. ", " .. #room .. " here")
end

function commands.leave(conn)
   if not conn.data.room then
      conn:send("you are in no room")
      return
   end
   local name = conn.data.room
   leave_room(conn)
   conn:send("you left " .. name)
end

function commands.msg(conn, rest)
   local number, text = rest:match("^(%d+)%s+(.+)$")
   if not number then
      conn:send("to whom, and what? /msg NUMBER TEXT")
      return
   end
   local whole = math.tointeger(tonumber(number)) -- nil for a number that is too long
   local other = whole and kelpie.client(whole)
   if not other then
      conn:send("there is no client #" .. number)
      return
   end
   other:send("(" .. name_of(conn) .. ") " .. text)
end

function commands.who(conn, _, visits)
   local count = 0
   for other in kelpie.conns() do
      count = count + 1
      local room = other.data.room and " in " .. other.data.room or ""
      conn:send("#" .. other.number .. " " .. name_of(other) .. room)
   end
   conn:send(count .. " here, " .. visits.total .. " visits so far")
end

function commands.help(conn)
   for _, line in ipairs(help) do
      conn:send(line)
   end
end

-- A line of a client.
function routing.handle(conn, line, visits)
   local command, rest = line:match("^/(%a+)%s*(.-)%s*$")
   if line:sub(1, 1) ~= "/" then
      tell_room(conn, name_of(conn) .. ": " .. line)
   elseif command and commands[command] then
      commands[command](conn, rest, visits)
   else
      conn:send("there is no such command; /help lists them")
   end
end

-- A client has gone. The server has taken it out of its room already.
function routing.left(conn)
   tell_room(conn, name_of(conn) .. " left " .. (conn.data.room or ""))
end

return routing
