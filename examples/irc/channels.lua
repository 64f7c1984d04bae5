-- channels.lua: the channels and the commands about them; for irc.lua

local kelpie = require("kelpie")
local wire = require("irc.wire")

local MAX_CHANNELS = 50 -- of one client

local fold, conn_of, mask, reply = wire.fold, wire.conn_of, wire.mask, wire.reply

-- Folded name -> { name, topic, modes = { t, n }, members = { id of a connection -> "" or "@" } }
local channels = kelpie.keep("irc channels", {})
local commands = {}
local module = { commands = commands }

local function channel_of(name)
   return channels[fold(name)]
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
      if other and other.data.is_welcome then
         reply(conn, 352, channel and channel.name or "*", other.data.user,
            other.peer:gsub(":%d+$", ""), wire.SERVER, other.data.nick, "H" .. rank, ":0 " .. other.data.real)
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

-- Takes somebody out of all channels; tells those who were there with them.
function module.leave_all(conn, line)
   tell_neighbours(conn, line)
   for _, channel in pairs(channels) do
      forget(channel, conn)
   end
end

module.find, module.tell, module.tell_neighbours = channel_of, tell, tell_neighbours
return module
