-- sessions.lua: who is connected under which name, and what has to reach them; for mqtt.lua
--
-- A session that is not clean outlives its connection: its subscriptions stay, messages of QoS 1
-- wait for it, and those that were sent and not acknowledged are sent again, marked, when its
-- client is back. While a connection lives TCP loses nothing, so nothing is repeated there.

local kelpie = require("kelpie")
local packet = require("mqtt.packet")
local topics = require("mqtt.topics")

local MAX_FILTERS = 100 -- of one client
local MAX_FILTER = 1024 -- bytes of one
local MAX_KEPT = 1000 -- sessions that are not clean
local MAX_WAITING = 1024 * 1024 -- bytes that wait for one of them, with MESSAGE_COST for each
local MAX_WAITING_ALL = 16 * 1024 * 1024
local MESSAGE_COST = 100

-- Client identifier -> { conn = id of its connection, is_kept, filters = { filter -> true },
-- n_filters, last_id, n_sent, bytes, waiting = { packet identifier -> { message, order, is_sent } } }
local sessions = kelpie.keep("mqtt sessions", {})
local total = kelpie.keep("mqtt totals", { kept = 0, bytes = 0 })
local module = {}

local function conn_of(session)
   return session.conn and kelpie.find(session.conn)
end

local function forget(client, session)
   for filter in pairs(session.filters) do
      topics.unsubscribe(client, filter)
   end
   total.kept = total.kept - (session.is_kept and 1 or 0)
   total.bytes = total.bytes - session.bytes
   sessions[client] = nil
end

-- Gives a connection the session of that name; who had it before is closed. Returns whether there
-- was one to go on with, or nil when there are too many.
function module.open(client, conn, is_clean)
   local session = sessions[client]
   local other = session and conn_of(session)
   if other then
      other:close("taken over")
   end
   local goes_on = session and session.is_kept and not is_clean
   if session and not goes_on then
      forget(client, session)
   end
   if not goes_on then
      if not is_clean and total.kept >= MAX_KEPT then
         return nil
      end
      session = { is_kept = not is_clean, filters = {}, n_filters = 0, last_id = 0, n_sent = 0,
         bytes = 0, waiting = {} }
      sessions[client] = session
      total.kept = total.kept + (is_clean and 0 or 1)
   end
   session.conn = conn.id
   return goes_on or false
end

-- The connection of a client has ended.
function module.close(client, conn)
   local session = sessions[client]
   if session and session.conn == conn.id then
      session.conn = nil
      if not session.is_kept then
         forget(client, session)
      end
   end
end

-- Returns what was granted: the QoS, or 128 for nothing.
function module.subscribe(client, filter, qos)
   local session = sessions[client]
   if not session.filters[filter] then
      if session.n_filters == MAX_FILTERS or #filter > MAX_FILTER then
         return 128
      end
      session.n_filters = session.n_filters + 1
      session.filters[filter] = true
   end
   topics.subscribe(client, filter, qos)
   return qos
end

function module.unsubscribe(client, filter)
   local session = sessions[client]
   if session.filters[filter] then
      session.filters[filter] = nil
      session.n_filters = session.n_filters - 1
      topics.unsubscribe(client, filter)
   end
end

local function next_id(session)
   repeat
      session.last_id = session.last_id % 65535 + 1
   until not session.waiting[session.last_id]
   return session.last_id
end

local function cost(message)
   return #message.topic + #message.payload + MESSAGE_COST
end

-- Keeps a message until it is acknowledged; false when that would be too much.
local function hold(session, id, message, is_sent)
   local bytes = cost(message)
   if session.bytes + bytes > MAX_WAITING or total.bytes + bytes > MAX_WAITING_ALL then
      return false
   end
   session.bytes, total.bytes = session.bytes + bytes, total.bytes + bytes
   session.n_sent = session.n_sent + 1
   session.waiting[id] = { message = message, order = session.n_sent, is_sent = is_sent }
   return true
end

-- Writes a message; in made[qos] its bytes are kept, which are the same for all who get it.
local function write(conn, message, qos, id, retain, made)
   local parts = made[qos]
   if not parts then
      parts = { packet.publish(message, qos, retain) }
      made[qos] = parts
   end
   return conn:write(parts[1], id and string.pack(">I2", id) or "", parts[2])
end

-- A message for a client. One of QoS 0 is lost when nobody is there or does not read; one of QoS 1
-- waits. What was promised and cannot be kept ends the connection, so that it is noticed.
-- made: a table, {} for a new message, that is given again for the next client.
function module.deliver(client, message, qos, retain, made)
   local session = sessions[client]
   local conn = conn_of(session)
   local id
   qos = math.min(qos, message.qos)
   if qos > 0 then
      id = next_id(session)
      if session.is_kept and not hold(session, id, message, conn ~= nil) then
         kelpie.log("warn", "mqtt: too much waits for %s", client)
         return conn and conn:close("slow reader")
      end
   end
   if conn and not write(conn, message, qos, id, retain, made) and qos > 0 then
      conn:close("slow reader")
   end
end

-- Sends what waits: its client is back.
function module.resume(client)
   local session = sessions[client]
   local conn = conn_of(session)
   local ids = {}
   for id in pairs(session.waiting) do
      table.insert(ids, id)
   end
   table.sort(ids, function(a, b)
      return session.waiting[a].order < session.waiting[b].order
   end)
   for _, id in ipairs(ids) do
      local entry = session.waiting[id]
      local head, payload = packet.publish(entry.message, 1, false, entry.is_sent)
      if not conn:write(head, string.pack(">I2", id), payload) then
         return conn:close("slow reader")
      end
      entry.is_sent = true
   end
end

function module.acknowledge(client, id)
   local session = sessions[client]
   local entry = session.waiting[id]
   if entry then
      local bytes = cost(entry.message)
      session.bytes, total.bytes = session.bytes - bytes, total.bytes - bytes
      session.waiting[id] = nil
   end
end

return module
