-- irc.lua: an IRC server: what ii, irssi and weechat need to talk in channels
--
--   kelpie run -p 6667 examples/irc.lua
--   irssi -c 127.0.0.1 -p 6667        (or weechat, or ii -s 127.0.0.1 -n anna)
--
-- Answers are those of RFC 2812 with the changes that clients expect today (CAP, 005). One server,
-- no operators of the network; the first in a channel is its operator and may set +t (only
-- operators change the topic) and +n (no messages from outside), or make others operators.
--
-- What survives a reload:
--   conn.data  nick, user, real, is_welcome, wants_caps
--   the channels (irc/channels.lua) and the nicks (irc/wire.lua)

local kelpie = require("kelpie")
local channels = require("irc.channels")
local wire = require("irc.wire")

local MAX_NICK = 30
local PING_SECONDS = 120
local SERVER = wire.SERVER

local conn_of, mask, reply = wire.conn_of, wire.mask, wire.reply
local commands = channels.commands

local function welcome(conn)
   local data = conn.data
   if data.is_welcome or data.wants_caps or not (data.nick and data.user) then
      return
   end
   data.is_welcome = true
   reply(conn, 1, ":Welcome to kelpie, " .. mask(conn):sub(2))
   reply(conn, 2, ":Your host is " .. SERVER .. ", running kelpie " .. kelpie.version)
   reply(conn, 3, ":This server changes while it runs")
   reply(conn, 4, SERVER, "kelpie-" .. kelpie.version, "o", "ont")
   reply(conn, 5, "CHANTYPES=# PREFIX=(o)@ CHANMODES=,,,nt NICKLEN=" .. MAX_NICK,
      "CASEMAPPING=rfc1459 NETWORK=kelpie", ":are supported by this server")
   reply(conn, 422, ":There is no message of the day")
end

function commands.CAP(conn, sub)
   sub = sub:upper()
   if sub == "LS" or sub == "LIST" then
      conn.data.wants_caps = sub == "LS" and not conn.data.is_welcome
      conn:send(":", SERVER, " CAP ", conn.data.nick or "*", " ", sub, " :")
   elseif sub == "REQ" then
      conn:send(":", SERVER, " CAP ", conn.data.nick or "*", " NAK :")
   elseif sub == "END" then
      conn.data.wants_caps = nil
      welcome(conn)
   end
end

function commands.NICK(conn, nick)
   local data = conn.data
   local owner = conn_of(nick)
   if #nick > MAX_NICK or not nick:find("^[%a%[%]\\`_^{|}][%w%[%]\\`_^{|}-]*$") then
      reply(conn, 432, ":Erroneous nickname")
   elseif owner and owner ~= conn then
      reply(conn, 433, nick, ":Nickname is already in use")
   else
      if data.is_welcome then
         local line = mask(conn) .. " NICK :" .. nick
         conn:send(line)
         channels.tell_neighbours(conn, line)
      end
      wire.rename(conn, nick)
      welcome(conn)
   end
end

function commands.USER(conn, user, _, _, real)
   if conn.data.user then
      reply(conn, 462, ":You may not reregister")
      return
   end
   user = user:gsub("[^%w._-]", ""):sub(1, 10)
   conn.data.user = user ~= "" and user or "user"
   conn.data.real = real
   welcome(conn)
end

function commands.PING(conn, token)
   conn:send(":", SERVER, " PONG ", SERVER, " :", token)
end

function commands.PONG()
end

function commands.QUIT(conn, text)
   conn.data.farewell = "Quit: " .. (text or "")
   conn:send("ERROR :Closing link")
   conn:close("quit")
end

-- A NOTICE is never answered: two robots would talk for ever.
local function message(conn, command, target, text)
   local answer = command == "PRIVMSG" and reply or function() end
   local line = (mask(conn) .. " " .. command .. " " .. target .. " :" .. text):sub(1, 510)
   local channel = channels.find(target)
   local other = conn_of(target)
   if channel and channel.modes.n and not channel.members[conn.id] then
      answer(conn, 404, target, ":Cannot send to channel")
   elseif channel then
      channels.tell(channel, line, conn)
   elseif other then
      other:send(line)
   else
      answer(conn, 401, target, ":No such nick/channel")
   end
end

function commands.PRIVMSG(conn, target, text)
   message(conn, "PRIVMSG", target, text)
end

function commands.NOTICE(conn, target, text)
   message(conn, "NOTICE", target, text)
end

-- How many parameters a command needs, and whether it may come before the welcome.
local needs = { CAP = 1, NICK = 1, USER = 4, PING = 1, JOIN = 1, PART = 1, PRIVMSG = 2, NOTICE = 2,
   NAMES = 1, TOPIC = 1, WHO = 1, MODE = 1 }
local early = { CAP = true, NICK = true, USER = true, PING = true, PONG = true, QUIT = true }

local handlers = { framing = "crlf", max_message = 2000 }

function handlers.on_load()
   kelpie.every("irc ping", PING_SECONDS, function()
      for conn in kelpie.conns() do
         conn:send("PING :", SERVER)
         if kelpie.now() - conn.data.heard > 2 * PING_SECONDS then
            conn:close("ping timeout")
         end
      end
   end)
end

function handlers.on_connect(conn)
   conn.data.heard = kelpie.now()
end

function handlers.on_message(conn, line)
   conn.data.heard = kelpie.now()
   local command, words = wire.parse((line:gsub("[\0\r]", "")))
   local run = commands[command]
   if command == "" then
      return
   elseif not conn.data.is_welcome and not early[command] then
      reply(conn, 451, ":You have not registered")
   elseif not run then
      reply(conn, 421, command:sub(1, 20), ":Unknown command")
   elseif #words < (needs[command] or 0) then
      reply(conn, 461, command, ":Not enough parameters")
   else
      run(conn, table.unpack(words, 1, 15))
   end
end

function handlers.on_disconnect(conn, reason)
   if conn.data.is_welcome then
      channels.leave_all(conn, mask(conn) .. " QUIT :" .. (conn.data.farewell or reason))
   end
   wire.rename(conn, nil)
end

return handlers
