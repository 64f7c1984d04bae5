-- wire.lua: lines of IRC, and who is called what; for irc.lua

local kelpie = require("kelpie")

local wire = { SERVER = "kelpie.example" }

-- Folded nick -> id of its connection.
local nicks = kelpie.keep("irc nicks", {})

-- To IRC, {}| are small letters of []\.
function wire.fold(name)
   return (name:lower():gsub("[%[%]\\~]", { ["["] = "{", ["]"] = "}", ["\\"] = "|", ["~"] = "^" }))
end

function wire.conn_of(nick)
   local id = nicks[wire.fold(nick)]
   return id and kelpie.find(id)
end

-- Gives a connection a nick in place of the one it has; nil: none.
function wire.rename(conn, nick)
   local before = conn.data.nick
   if before and nicks[wire.fold(before)] == conn.id then
      nicks[wire.fold(before)] = nil
   end
   if nick then
      nicks[wire.fold(nick)] = conn.id
   end
   conn.data.nick = nick
end

function wire.mask(conn)
   return ":" .. conn.data.nick .. "!" .. conn.data.user .. "@" .. conn.peer:gsub(":%d+$", "")
end

-- Sends a numeric reply: reply(conn, 332, "#tea", ":about tea").
function wire.reply(conn, code, ...)
   local nick = conn.data.nick or "*"
   conn:send((":%s %03d %s %s"):format(wire.SERVER, code, nick, table.concat({ ... }, " ")))
end

-- Takes a line apart: "PRIVMSG #tea :hello all" is "PRIVMSG", { "#tea", "hello all" }.
function wire.parse(line)
   local head, last = line:gsub("^:%S+ +", ""):match("^(.-) :(.*)$")
   local words = {}
   for word in (head or line:gsub("^:%S+ +", "")):gmatch("%S+") do
      table.insert(words, word)
   end
   table.insert(words, last)
   return (table.remove(words, 1) or ""):upper(), words
end

return wire
