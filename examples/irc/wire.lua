-- wire.lua: lines of IRC, and who is called what; for irc.lua

local kelpie = require("kelpie")

local wire = {
   SERVER = "kelpie.example",
   MAX_LINE = 510, -- bytes, and CR LF
}

-- Folded nick -> id of its connection.
local nicks = kelpie.keep("irc nicks", {})

-- To IRC, {}|^ are small letters of []\~.
function wire.fold(name)
   return (name:lower():gsub("[%[%]\\~]", { ["["] = "{", ["]"] = "}", ["\\"] = "|", ["~"] = "^" }))
end

function wire.conn_of(nick)
   local id = nicks[wire.fold(nick)]
   return id and kelpie.find(id)
end

-- The same, but of somebody whom others may see; the sender is told when there is nobody.
function wire.somebody(conn, nick)
   local other = wire.conn_of(nick)
   if other and other.data.is_welcome then
      return other
   end
   wire.reply(conn, 401, nick, ":No such nick/channel")
   return nil
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

function wire.host(conn)
   return (conn.peer:gsub(":%d+$", ""))
end

function wire.mask(conn)
   return ":" .. conn.data.nick .. "!" .. conn.data.user .. "@" .. wire.host(conn)
end

-- Sends a line; what is too long is cut, as all servers do.
function wire.send(conn, line)
   return conn:send(line:sub(1, wire.MAX_LINE))
end

-- Sends a numeric reply: reply(conn, 332, "#tea", ":about tea").
function wire.reply(conn, code, ...)
   local nick = conn.data.nick or "*"
   wire.send(conn, (":%s %03d %s %s"):format(wire.SERVER, code, nick, table.concat({ ... }, " ")))
end

-- Takes a line apart: "PRIVMSG #tea :hello all" is "PRIVMSG", { "#tea", "hello all" }.
function wire.parse(line)
   line = line:gsub("^:%S* *", "") -- who claims to have sent it
   local head, last = line:match("^(.-) :(.*)$")
   local words = {}
   for word in (head or line):gmatch("%S+") do
      table.insert(words, word)
   end
   table.insert(words, last)
   return (table.remove(words, 1) or ""):upper(), words
end

return wire
