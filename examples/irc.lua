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
--   channels   folded name -> { name, topic, modes = { t, n }, members = { id of conn -> "" or "@" } }

local kelpie = require("kelpie")

local SERVER = "kelpie.example"
local MAX_NICK = 30
local MAX_CHANNELS = 50 -- of one client
local PING_SECONDS = 120

local channels = kelpie.keep("irc channels", {})
local nicks = kelpie.keep("irc nicks", {}) -- folded nick -> id of its connection

local commands = {}

-- To IRC, {}| are small letters of []\.
local function fold(name)
   return (name:lower():gsub("[%[%]\\~]", { ["["] = "{", ["]"] = "}", ["\\"] = "|", ["~"] = "^" }))
end

local function conn_of(nick)
   local id = nicks[fold(nick)]
   return id and kelpie.find(id)
end

local function channel_of(name)
   return channels[fold(name)]
end

local function mask(conn)
   return ":" .. conn.data.nick .. "!" .. conn.data.user .. "@" .. conn.peer:gsub(":%d+$", "")
end

-- Sends a numeric reply: reply(conn, 332, "#tea", ":about tea").
local function reply(conn, code, ...)
   local nick = conn.data.nick or "*"
   conn:send((":%s %03d %s %s"):format(SERVER, code, nick, table.concat({ ... }, " ")))
end

local function tell(channel, line, except)
   for id in pairs(channel.members) do
      local conn = kelpie.find(id)
      if conn and conn ~= except then
         conn:send(line)
      end
   end
end

-- Tells everybody who shares a channel with somebody, once.
local function tell_neighbours(conn, line)
   local told = { [conn.id] = true }
   for _, channel in pairs(channels) do
      for id in pairs(channel.members[conn.id] and channel.members or {}) do
         local other = not told[id] and kelpie.find(id)
         told[id] = true
         if other then
            other:send(line)
         end
      end
   end
end

local function forget(channel, conn)
   channel.members[conn.id] = nil
   if not next(channel.members) then
      channels[fold(channel.name)] = nil
   end
end

local function send_names(conn, channel)
   local names = {}
   for id, rank in pairs(channel.members) do
      local other = kelpie.find(id)
      table.insert(names, other and rank .. other.data.nick)
   end
   table.sort(names)
   for i = 1, #names, 10 do -- a line has at most 512 bytes
      local part = table.concat(names, " ", i, math.min(i + 9, #names))
      reply(conn, 353, "=", channel.name, ":" .. part)
   end
   reply(conn, 366, channel.name, ":End of NAMES list")
end

local function send_topic(conn, channel)
   if channel.topic then
      reply(conn, 332, channel.name, ":" .. channel.topic)
   else
      reply(conn, 331, channel.name, ":No topic is set")
   end
end

-- Finds a channel that somebody is in; says so if that is not the case.
local function own_channel(conn, name)
   local channel = channel_of(name)
   if not channel then
      reply(conn, 403, name, ":No such channel")
   elseif not channel.members[conn.id] then
      reply(conn, 442, name, ":You're not on that channel")
      return nil
   end
   return channel
end

local function is_operator(conn, channel)
   if channel.members[conn.id] ~= "@" then
      reply(conn, 482, channel.name, ":You're not channel operator")
      return false
   end
   return true
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
         tell_neighbours(conn, line)
      end
      nicks[fold(data.nick or nick)] = nil
      nicks[fold(nick)] = conn.id
      data.nick = nick
      welcome(conn)
   end
end

function commands.USER(conn, user, _, _, real)
   if conn.data.user then
      reply(conn, 462, ":You may not reregister")
      return
   end
   conn.data.user = user:gsub("[^%w._-]", ""):sub(1, 10)
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

local function join(conn, name)
   local count = 0
   for _, channel in pairs(channels) do
      count = count + (channel.members[conn.id] and 1 or 0)
   end
   if not name:find("^#[^%c ,:]+$") or #name > 50 then
      reply(conn, 403, name, ":No such channel")
   elseif count >= MAX_CHANNELS then
      reply(conn, 405, name, ":You have joined too many channels")
   elseif not (channel_of(name) and channel_of(name).members[conn.id]) then
      local channel = channel_of(name)
      if not channel then
         channel = { name = name, modes = { t = true, n = true }, members = { [conn.id] = "@" } }
         channels[fold(name)] = channel
      end
      channel.members[conn.id] = channel.members[conn.id] or ""
      tell(channel, mask(conn) .. " JOIN " .. channel.name)
      if channel.topic then
         send_topic(conn, channel)
      end
      send_names(conn, channel)
   end
end

function commands.JOIN(conn, names)
   for name in names:gmatch("[^,]+") do
      join(conn, name)
   end
end

function commands.PART(conn, names, text)
   for name in names:gmatch("[^,]+") do
      local channel = own_channel(conn, name)
      if channel then
         tell(channel, mask(conn) .. " PART " .. channel.name .. " :" .. (text or ""))
         forget(channel, conn)
      end
   end
end

-- A NOTICE is never answered: two robots would talk for ever.
local function message(conn, command, target, text)
   local answer = command == "PRIVMSG" and reply or function() end
   local line = (mask(conn) .. " " .. command .. " " .. target .. " :" .. text):sub(1, 510)
   local channel = channel_of(target)
   local other = conn_of(target)
   if channel and channel.modes.n and not channel.members[conn.id] then
      answer(conn, 404, target, ":Cannot send to channel")
   elseif channel then
      tell(channel, line, conn)
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

function commands.NAMES(conn, name)
   local channel = own_channel(conn, name)
   if channel then
      send_names(conn, channel)
   end
end

function commands.TOPIC(conn, name, topic)
   local channel = own_channel(conn, name)
   if channel and not topic then
      send_topic(conn, channel)
   elseif channel and (not channel.modes.t or is_operator(conn, channel)) then
      channel.topic = topic ~= "" and topic or nil
      tell(channel, mask(conn) .. " TOPIC " .. channel.name .. " :" .. topic)
   end
end

function commands.WHO(conn, name)
   local channel = channel_of(name)
   local alone = conn_of(name)
   for id, rank in pairs(channel and channel.members or alone and { [alone.id] = "" } or {}) do
      local other = kelpie.find(id)
      if other then
         reply(conn, 352, channel and channel.name or "*", other.data.user,
            other.peer:gsub(":%d+$", ""), SERVER, other.data.nick, "H" .. rank, ":0 " .. other.data.real)
      end
   end
   reply(conn, 315, name, ":End of WHO list")
end

local function change_mode(conn, channel, changes, nick)
   local sign, letter = changes:match("^([+-])([ont])$")
   local other = nick and conn_of(nick)
   if not sign then
      reply(conn, 472, changes:sub(1, 10), ":is unknown mode char to me")
   elseif letter ~= "o" then
      channel.modes[letter] = sign == "+" or nil
      tell(channel, mask(conn) .. " MODE " .. channel.name .. " " .. changes)
   elseif not (other and channel.members[other.id]) then
      reply(conn, 441, nick or "*", channel.name, ":They aren't on that channel")
   else
      channel.members[other.id] = sign == "+" and "@" or ""
      tell(channel, mask(conn) .. " MODE " .. channel.name .. " " .. changes .. " " .. other.data.nick)
   end
end

function commands.MODE(conn, name, changes, nick)
   if conn_of(name) then
      reply(conn, 221, "+") -- nobody has modes
      return
   end
   local channel = own_channel(conn, name)
   if channel and not changes then
      local modes = (channel.modes.n and "n" or "") .. (channel.modes.t and "t" or "")
      reply(conn, 324, channel.name, "+" .. modes)
   elseif channel and changes:find("^%+?b") then
      reply(conn, 368, channel.name, ":End of channel ban list") -- weechat and irssi ask for it
   elseif channel and is_operator(conn, channel) then
      change_mode(conn, channel, changes, nick)
   end
end

-- How many parameters a command needs, and whether it may come before the welcome.
local needs = { CAP = 1, NICK = 1, USER = 4, PING = 1, JOIN = 1, PART = 1, PRIVMSG = 2, NOTICE = 2,
   NAMES = 1, TOPIC = 1, WHO = 1, MODE = 1 }
local early = { CAP = true, NICK = true, USER = true, PING = true, PONG = true, QUIT = true }

-- Takes a line apart: "PRIVMSG #tea :hello all" is "PRIVMSG", { "#tea", "hello all" }.
local function parse(line)
   local head, last = line:gsub("^:%S+ +", ""):match("^(.-) :(.*)$")
   local words = {}
   for word in (head or line:gsub("^:%S+ +", "")):gmatch("%S+") do
      table.insert(words, word)
   end
   table.insert(words, last)
   return (table.remove(words, 1) or ""):upper(), words
end

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
   local command, words = parse((line:gsub("[\0\r]", "")))
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
   local nick = conn.data.nick
   if conn.data.is_welcome then
      tell_neighbours(conn, mask(conn) .. " QUIT :" .. (conn.data.farewell or reason))
   end
   for _, channel in pairs(channels) do
      forget(channel, conn)
   end
   if nick and nicks[fold(nick)] == conn.id then
      nicks[fold(nick)] = nil
   end
end

return handlers
