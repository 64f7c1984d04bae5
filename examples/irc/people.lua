-- people.lua: the commands about people: PRIVMSG, NOTICE, AWAY, WHO, WHOIS, ...; for irc.lua

local channels = require("irc.channels")
local wire = require("irc.wire")

local MAX_TARGETS = 4 -- of one message

local conn_of, mask, reply = wire.conn_of, wire.mask, wire.reply
local commands = {}

local function tell_channel(conn, channel, line, answer)
   if channel.modes.n and not channel.members[conn.id] then
      answer(conn, 404, channel.name, ":Cannot send to channel")
   else
      channels.tell(channel, line, conn)
   end
end

local function tell_one(conn, nick, line, answer)
   local other = conn_of(nick)
   if not (other and other.data.is_welcome) then
      answer(conn, 401, nick, ":No such nick/channel")
      return
   end
   wire.send(other, line)
   if other.data.away then
      answer(conn, 301, other.data.nick, ":" .. other.data.away)
   end
end

local function message(conn, command, targets, text, answer)
   local n = 0
   for target in (targets or ""):gmatch("[^,]+") do
      n = n + 1
      local line = mask(conn) .. " " .. command .. " " .. target .. " :" .. (text or "")
      local channel = channels.find(target)
      if not text or text == "" then
         return answer(conn, 412, ":No text to send")
      elseif n > MAX_TARGETS then
         return answer(conn, 407, target, ":Too many recipients")
      elseif channel then
         tell_channel(conn, channel, line, answer)
      else
         tell_one(conn, target, line, answer)
      end
   end
   if n == 0 then
      answer(conn, 411, ":No recipient given (" .. command .. ")")
   end
end

function commands.PRIVMSG(conn, targets, text)
   message(conn, "PRIVMSG", targets, text, reply)
end

-- A NOTICE is never answered: two robots would talk for ever.
function commands.NOTICE(conn, targets, text)
   message(conn, "NOTICE", targets, text, function() end)
end

function commands.AWAY(conn, text)
   conn.data.away = text ~= "" and text or nil
   if conn.data.away then
      reply(conn, 306, ":You have been marked as being away")
   else
      reply(conn, 305, ":You are no longer marked as being away")
   end
end

local function describe(conn, name, other, rank)
   reply(conn, 352, name, other.data.user, wire.host(other), wire.SERVER, other.data.nick,
      (other.data.away and "G" or "H") .. rank, ":0 " .. other.data.real)
end

function commands.WHO(conn, name)
   local channel, other = channels.find(name), conn_of(name)
   if channel then
      for _, member in ipairs(channels.members(channel)) do
         describe(conn, channel.name, member.conn, member.rank)
      end
   elseif other and other.data.is_welcome then
      describe(conn, "*", other, "")
   end
   reply(conn, 315, name, ":End of WHO list")
end

function commands.WHOIS(conn, server, nick)
   local other = wire.somebody(conn, nick or server) -- "WHOIS anna", and "WHOIS anna anna"
   if other then
      local data, names = other.data, {}
      for i, channel in ipairs(channels.of(other)) do
         names[i] = channel.members[other.id] .. channel.name
      end
      reply(conn, 311, data.nick, data.user, wire.host(other), "*", ":" .. data.real)
      for i = 1, #names, 5 do -- a line has at most 512 bytes
         reply(conn, 319, data.nick, ":" .. table.concat(names, " ", i, math.min(i + 4, #names)))
      end
      reply(conn, 312, data.nick, wire.SERVER, ":kelpie")
      if data.away then
         reply(conn, 301, data.nick, ":" .. data.away)
      end
   end
   reply(conn, 318, nick or server, ":End of WHOIS list")
end

-- Those of some nicks who are here, as one line.
local function list(conn, code, nicks, show)
   local found = {}
   for _, nick in ipairs(nicks) do
      local other = conn_of(nick)
      if other and other.data.is_welcome then
         table.insert(found, show(other))
      end
   end
   reply(conn, code, ":" .. table.concat(found, " "))
end

function commands.USERHOST(conn, ...)
   list(conn, 302, { ... }, function(other)
      local sign = other.data.away and "-" or "+"
      return other.data.nick .. "=" .. sign .. other.data.user .. "@" .. wire.host(other)
   end)
end

function commands.ISON(conn, ...)
   list(conn, 303, { ... }, function(other)
      return other.data.nick
   end)
end

return commands
