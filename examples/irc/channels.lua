-- channels.lua: the channels and who is in them; for irc.lua
--
-- The first in a channel is its operator. A channel without anybody is forgotten. A client knows its
-- channels, too: conn.data.channels, folded name -> true.

local kelpie = require("kelpie")
local wire = require("irc.wire")

-- Who is in a channel is in a room of kelpie as well: what is said is stored once for all of them.
-- Folded name -> { name, topic, modes = { t, n }, members = { id of a connection -> "" or "@" } }
local kept = kelpie.keep("irc channels", {})
local channels = {}

local function room(channel)
   return kelpie.room("irc " .. wire.fold(channel.name))
end

function channels.find(name)
   return kept[wire.fold(name)]
end

-- All of them: for _, channel in channels.all() do
function channels.all()
   return pairs(kept)
end

-- Those that somebody is in, by name.
function channels.of(conn)
   local found = {}
   for name in pairs(conn.data.channels or {}) do
      table.insert(found, kept[name])
   end
   table.sort(found, function(a, b) return a.name < b.name end)
   return found
end

-- How many are in it.
function channels.size(channel)
   return #room(channel)
end

-- Puts somebody in, who makes the channel if there is none; nil when that somebody is in already.
function channels.enter(conn, name)
   local channel = channels.find(name)
   if not channel then
      channel = { name = name, modes = { t = true, n = true }, members = { [conn.id] = "@" } }
      kept[wire.fold(name)] = channel
   elseif channel.members[conn.id] then
      return nil
   else
      channel.members[conn.id] = ""
   end
   conn.data.channels = conn.data.channels or {}
   conn.data.channels[wire.fold(name)] = true
   room(channel):join(conn)
   return channel
end

function channels.leave(conn, channel)
   channel.members[conn.id] = nil
   room(channel):leave(conn)
   conn.data.channels[wire.fold(channel.name)] = nil
   if not next(channel.members) then
      kept[wire.fold(channel.name)] = nil
   end
end

-- The members of a channel: { { conn, rank }, ... }, by nick.
function channels.members(channel)
   local list = {}
   for id, rank in pairs(channel.members) do
      local conn = kelpie.find(id)
      if conn then
         table.insert(list, { conn = conn, rank = rank })
      end
   end
   table.sort(list, function(a, b) return a.conn.data.nick < b.conn.data.nick end)
   return list
end

function channels.tell(channel, line, except)
   room(channel):send(line:sub(1, wire.MAX_LINE), except)
end

-- Tells everybody who shares a channel with somebody, once.
function channels.tell_neighbours(conn, line)
   local told = { [conn.id] = true }
   for _, channel in ipairs(channels.of(conn)) do
      for id in pairs(channel.members) do
         local other = not told[id] and kelpie.find(id)
         told[id] = true
         if other then
            wire.send(other, line)
         end
      end
   end
end

-- Takes somebody out of all channels; tells those who were there too.
function channels.leave_all(conn, line)
   channels.tell_neighbours(conn, line)
   for _, channel in ipairs(channels.of(conn)) do
      channels.leave(conn, channel)
   end
end

return channels
