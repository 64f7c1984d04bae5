-- chat.lua: a chat server with rooms, names, private messages, and a history
--
--   kelpie run -p 7000 examples/chat.lua
--   nc 127.0.0.1 7000          (or: telnet 127.0.0.1 7000)
--
-- Type a name, then talk. "/help" lists the commands. Edit this file and send the server SIGHUP:
-- everybody stays in the room, and who comes later still reads what was said before.
--
-- What survives a reload:
--   conn.data.name, conn.data.room   who somebody is, and where
--   chat/history.lua                 the last lines of each room

local history = require("chat.history")
local kelpie = require("kelpie")

local MAX_NAME = 24
local FIRST_ROOM = "lobby"

local commands = {}
local help = {
   "/join ROOM       go to another room",
   "/msg NAME TEXT   say something to one person",
   "/name NAME       be called NAME",
   "/who             who is in this room",
   "/rooms           the rooms where somebody is",
   "/quit            leave",
}

-- Letters, digits, _ and -, from all over the world (what is not ASCII are bytes above 127).
local function is_name(text)
   return #text <= MAX_NAME and text:find("^[%w_\128-\255-]+$") ~= nil
end

-- Control characters would move the cursor on other people's terminals.
local function printable(text)
   return (text:gsub("[%c]", "?"))
end

-- Rooms have names of their own here, so that "/join x" cannot meet a room of another script.
local function room_of(name)
   return kelpie.room("chat " .. name)
end

local function by_name(name)
   for conn in kelpie.conns() do
      if conn.data.name == name then
         return conn
      end
   end
   return nil
end

-- Tells a room, but for one person.
local function tell(name, line, except)
   room_of(name):send(line, except)
end

local function leave(conn)
   local name = conn.data.room
   if name then
      conn.data.room = nil
      room_of(name):leave(conn)
      tell(name, "* " .. conn.data.name .. " has left")
   end
end

local function enter(conn, name)
   local joined, message = room_of(name):join(conn)
   if joined == nil then
      conn:send("! ", message)
      return
   end
   conn.data.room = name
   for _, line in ipairs(history.lines(name)) do
      conn:send("  ", line)
   end
   conn:send("* you are in ", name, ", ", #room_of(name), " here")
   tell(name, "* " .. conn.data.name .. " has come", conn)
end

-- Gives somebody a name that nobody else has; true if so.
local function take_name(conn, name)
   if not is_name(name) then
      conn:send("! a name is up to ", MAX_NAME, " letters, digits, _ and -")
   elseif by_name(name) then
      conn:send("! somebody is called ", name, " already")
   else
      conn.data.name = name
      return true
   end
   return false
end

function commands.join(conn, name)
   if not is_name(name) then
      conn:send("! a room's name is up to ", MAX_NAME, " letters, digits, _ and -")
   elseif name ~= conn.data.room then
      leave(conn)
      enter(conn, name)
   end
end

function commands.msg(conn, rest)
   local name, text = rest:match("^(%S+)%s+(.+)$")
   local other = name and by_name(name)
   if not name then
      conn:send("! to whom, and what? /msg NAME TEXT")
   elseif not other then
      conn:send("! nobody is called ", name)
   else
      other:send("[", conn.data.name, "] ", text)
      conn:send("[to ", name, "] ", text)
   end
end

function commands.name(conn, name)
   local before = conn.data.name
   if take_name(conn, name) then
      conn:send("* you are called ", name)
      if conn.data.room then
         tell(conn.data.room, "* " .. before .. " is called " .. name, conn)
      end
   end
end

function commands.who(conn)
   if not conn.data.room then
      conn:send("! you are in no room")
      return
   end
   local names = {}
   for other in room_of(conn.data.room):members() do
      table.insert(names, other.data.name)
   end
   table.sort(names)
   conn:send("* here: ", table.concat(names, ", "))
end

function commands.rooms(conn)
   local seen, names = {}, {}
   for other in kelpie.conns() do
      local name = other.data.room
      if name and not seen[name] then
         seen[name] = true
         table.insert(names, name .. " (" .. #room_of(name) .. ")")
      end
   end
   table.sort(names)
   conn:send("* rooms: ", table.concat(names, ", "))
end

function commands.quit(conn)
   conn:send("* bye")
   conn:close("quit")
end

function commands.help(conn)
   for _, line in ipairs(help) do
      conn:send(line)
   end
end

local handlers = { framing = "crlf", max_message = 1000 }

function handlers.on_connect(conn)
   conn:send("your name?")
end

function handlers.on_message(conn, line)
   line = printable(line)
   local command, rest = line:match("^/(%a+)%s*(.-)%s*$")
   if not conn.data.name then
      if take_name(conn, kelpie.trim(line)) then
         enter(conn, FIRST_ROOM)
      end
   elseif line:sub(1, 1) == "/" then
      local run = commands[command] or function()
         conn:send("! there is no such command; /help lists them")
      end
      run(conn, rest)
   elseif line ~= "" and conn.data.room then
      local said = conn.data.name .. ": " .. line
      history.add(conn.data.room, said)
      tell(conn.data.room, said, conn)
   end
end

function handlers.on_disconnect(conn)
   if conn.data.room then
      leave(conn)
   end
end

return handlers
