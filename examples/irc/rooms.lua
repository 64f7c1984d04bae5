-- rooms.lua: the commands about channels: JOIN, PART, NAMES, LIST, TOPIC, KICK, MODE; for irc.lua

local kelpie = require("kelpie")
local channels = require("irc.channels")
local wire = require("irc.wire")

local MAX_CHANNELS = 50 -- of one client
local MAX_TARGETS = 10 -- of one command
local MAX_NAME = 50
local MAX_LETTERS = 12 -- of one MODE

local mask, reply, tell = wire.mask, wire.reply, channels.tell
local commands = {}

-- Finds a channel that somebody is in; says so if that is not the case.
local function own_channel(conn, name)
   local channel = channels.find(name)
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

local function send_names(conn, channel)
   local names = {}
   for _, member in ipairs(channels.members(channel)) do
      table.insert(names, member.rank .. member.conn.data.nick)
   end
   for i = 1, #names, 10 do -- a line has at most 512 bytes
      local part = table.concat(names, " ", i, math.min(i + 9, #names))
      reply(conn, 353, "=", channel.name, ":" .. part)
   end
   reply(conn, 366, channel.name, ":End of NAMES list")
end

local function join(conn, name)
   if not name:find("^#[^%c ,:]+$") or #name > MAX_NAME then
      reply(conn, 403, name, ":No such channel")
   elseif #channels.of(conn) >= MAX_CHANNELS then
      reply(conn, 405, name, ":You have joined too many channels")
   else
      local channel = channels.enter(conn, name)
      if channel then
         tell(channel, mask(conn) .. " JOIN " .. channel.name)
         if channel.topic then
            reply(conn, 332, channel.name, ":" .. channel.topic)
         end
         send_names(conn, channel)
      end
   end
end

local function part(conn, channel, text)
   tell(channel, mask(conn) .. " PART " .. channel.name .. " :" .. (text or ""))
   channels.leave(conn, channel)
end

-- Calls run(conn, name) for each name of "#a,#b".
local function each(conn, names, run)
   for i, name in ipairs(kelpie.split(names, ",", MAX_TARGETS + 1)) do
      if i > MAX_TARGETS then
         reply(conn, 407, name, ":Too many recipients")
      elseif name ~= "" then
         run(conn, name)
      end
   end
end

function commands.JOIN(conn, names)
   if names == "0" then -- "leave all"
      for _, channel in ipairs(channels.of(conn)) do
         part(conn, channel)
      end
      return
   end
   each(conn, names, join)
end

function commands.PART(conn, names, text)
   each(conn, names, function(_, name)
      local channel = own_channel(conn, name)
      if channel then
         part(conn, channel, text)
      end
   end)
end

function commands.NAMES(conn, name)
   local channel = channels.find(name)
   if channel then
      send_names(conn, channel)
   else
      reply(conn, 366, name, ":End of NAMES list")
   end
end

function commands.LIST(conn)
   reply(conn, 321, "Channel", ":Users  Name")
   for _, channel in channels.all() do
      reply(conn, 322, channel.name, channels.size(channel), ":" .. (channel.topic or ""))
   end
   reply(conn, 323, ":End of LIST")
end

function commands.TOPIC(conn, name, topic)
   local channel = own_channel(conn, name)
   if channel and not topic then
      reply(conn, channel.topic and 332 or 331, channel.name, ":" .. (channel.topic or "No topic is set"))
   elseif channel and (not channel.modes.t or is_operator(conn, channel)) then
      channel.topic = topic ~= "" and topic or nil
      tell(channel, mask(conn) .. " TOPIC " .. channel.name .. " :" .. topic)
   end
end

-- Somebody who is in a channel, by nick; says so when nobody is.
local function member(conn, channel, nick)
   local other = wire.conn_of(nick or "")
   if other and channel.members[other.id] then
      return other
   end
   reply(conn, 441, nick or "*", channel.name, ":They aren't on that channel")
   return nil
end

function commands.KICK(conn, name, nick, text)
   local channel = own_channel(conn, name)
   local other = channel and is_operator(conn, channel) and member(conn, channel, nick)
   if other then
      local why = text or conn.data.nick
      tell(channel, mask(conn) .. " KICK " .. channel.name .. " " .. other.data.nick .. " :" .. why)
      channels.leave(other, channel)
   end
end

-- What a mode does: returns the nick that belongs to it, or ""; nil when nothing has changed.
local change = {}

function change.o(conn, channel, sign, nick)
   local other = member(conn, channel, nick)
   if other then
      channel.members[other.id] = sign == "+" and "@" or ""
   end
   return other and " " .. other.data.nick
end

for _, letter in ipairs({ "n", "t" }) do
   change[letter] = function(_, channel, sign)
      channel.modes[letter] = sign == "+" or nil
      return ""
   end
end

-- "+o-t anna": letters with signs, and a nick for each "o".
local function change_modes(conn, channel, letters, nicks)
   local sign, done, names = "+", "", ""
   for letter in letters:gmatch(".") do
      local run = change[letter]
      if letter == "+" or letter == "-" then
         sign = letter
      elseif not run then
         reply(conn, 472, letter, ":is unknown mode char to me")
      else
         local name = run(conn, channel, sign, letter == "o" and table.remove(nicks, 1) or nil)
         done, names = done .. (name and sign .. letter or ""), names .. (name or "")
      end
   end
   if done ~= "" then
      tell(channel, mask(conn) .. " MODE " .. channel.name .. " " .. done .. names)
   end
end

function commands.MODE(conn, name, letters, ...)
   local other = wire.conn_of(name)
   if other == conn then
      return reply(conn, 221, "+") -- nobody has modes
   elseif other then
      return reply(conn, 502, ":Cannot change mode for other users")
   end
   local channel = own_channel(conn, name)
   if channel and not letters then
      local modes = (channel.modes.n and "n" or "") .. (channel.modes.t and "t" or "")
      reply(conn, 324, channel.name, "+" .. modes)
   elseif channel and letters:find("^%+?b") then
      reply(conn, 368, channel.name, ":End of channel ban list") -- weechat and irssi ask for it
   elseif channel and is_operator(conn, channel) then
      change_modes(conn, channel, letters:sub(1, MAX_LETTERS), { ... })
   end
end

return commands
