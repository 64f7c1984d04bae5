-- irc.lua: an IRC server: what ii, irssi and weechat need to talk in channels
--
--   kelpie run -p 6667 examples/irc.lua
--   irssi -c 127.0.0.1 -p 6667        (or weechat, or ii -s 127.0.0.1 -n anna)
--
-- Answers are those of RFC 2812 with the changes that clients expect today (CAP, 005). One server,
-- no operators of the network; the first in a channel is its operator and may set +t (only
-- operators change the topic) and +n (no messages from outside), or make others operators.
--
--    irc/wire.lua    lines, and nicks           irc/channels.lua   who is in which channel
--    irc/people.lua  PRIVMSG, WHO, WHOIS, ...   irc/rooms.lua      JOIN, TOPIC, MODE, ...
--
-- What survives a reload: the channels, the nicks, and of each client conn.data, which has nick,
-- user, real, away, channels, heard (when), is_welcome, wants_caps.

local kelpie = require("kelpie")
local channels = require("irc.channels")
local wire = require("irc.wire")

local MAX_NICK = 30
local PING_SECONDS = 120
local SERVER = wire.SERVER

local mask, reply = wire.mask, wire.reply
local commands = {}
for _, module in ipairs({ require("irc.people"), require("irc.rooms") }) do
   for name, run in pairs(module) do
      commands[name] = run
   end
end

function commands.MOTD(conn)
   reply(conn, 422, ":There is no message of the day")
end

function commands.LUSERS(conn)
   reply(conn, 251, ":There are " .. kelpie.stats().clients .. " users and 0 invisible on 1 servers")
end

function commands.VERSION(conn)
   reply(conn, 351, "kelpie-" .. kelpie.version, SERVER, ":a server that changes while it runs")
end

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
   commands.LUSERS(conn)
   commands.MOTD(conn)
end

function commands.CAP(conn, sub, names)
   local function answer(text)
      wire.send(conn, ":" .. SERVER .. " CAP " .. (conn.data.nick or "*") .. " " .. text)
   end
   sub = sub:upper()
   if sub == "LS" or sub == "LIST" then
      conn.data.wants_caps = sub == "LS" and not conn.data.is_welcome
      answer(sub .. " :")
   elseif sub == "REQ" then
      answer("NAK :" .. (names or "")) -- there are none
   elseif sub == "END" then
      conn.data.wants_caps = nil
      welcome(conn)
   else
      reply(conn, 410, sub:sub(1, 20), ":Invalid CAP command")
   end
end

function commands.NICK(conn, nick)
   local data = conn.data
   local owner = nick and wire.conn_of(nick)
   if not nick or nick == "" then
      reply(conn, 431, ":No nickname given")
   elseif #nick > MAX_NICK or not nick:find("^[%a%[%]\\`_^{|}][%w%[%]\\`_^{|}-]*$") then
      reply(conn, 432, nick, ":Erroneous nickname")
   elseif owner and owner ~= conn then
      reply(conn, 433, nick, ":Nickname is already in use")
   else
      if data.is_welcome then
         local line = mask(conn) .. " NICK :" .. nick
         wire.send(conn, line)
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
   conn.data.real = real:sub(1, 100)
   welcome(conn)
end

function commands.PASS() -- everybody may come
end

function commands.PING(conn, token)
   wire.send(conn, ":" .. SERVER .. " PONG " .. SERVER .. " :" .. token)
end

function commands.PONG() -- that it was heard is noted already
end

function commands.QUIT(conn, text)
   conn.data.farewell = "Quit: " .. (text or "")
   wire.send(conn, "ERROR :Closing link")
   conn:close("quit")
end

-- How many parameters a command needs at least, and whether it may come before the welcome.
local needs = { CAP = 1, USER = 4, PING = 1, JOIN = 1, PART = 1, NAMES = 1, TOPIC = 1, KICK = 2, WHO = 1,
   WHOIS = 1, USERHOST = 1, ISON = 1, MODE = 1 }
local early = { CAP = true, PASS = true, NICK = true, USER = true, PING = true, PONG = true, QUIT = true }

local handlers = { framing = "crlf", max_message = 2000 }

function handlers.on_load()
   kelpie.every("irc ping", PING_SECONDS, function()
      for conn in kelpie.conns() do
         wire.send(conn, "PING :" .. SERVER)
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
