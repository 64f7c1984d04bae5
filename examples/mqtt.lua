-- mqtt.lua: an MQTT 3.1.1 broker: QoS 0 and 1, retained messages, wildcards, last will, sessions
--
--   kelpie run -p 1883 examples/mqtt.lua
--   mosquitto_sub -t 'home/#' -v             in one terminal
--   mosquitto_pub -t home/kitchen -m 21.5    in another
--
-- No framing of kelpie has packets like those of MQTT: it is "raw" here, and conn.data.inbox
-- collects bytes until a packet is whole, also across a reload. QoS 2 is refused: a subscription
-- gets 1 instead, a message ends its connection. Everybody may come, without a password.
--
--    mqtt/packet.lua     the bytes             mqtt/topics.lua   who wants which topic, and what was
--    mqtt/sessions.lua   what a client owns                      retained
--
-- What survives a reload: all of it. conn.data has client, will, will_retain, patience (seconds),
-- heard (when), inbox.

local kelpie = require("kelpie")
local packet = require("mqtt.packet")
local sessions = require("mqtt.sessions")
local topics = require("mqtt.topics")

local MAX_CLIENT = 256 -- bytes of a client identifier
local CONNECT_SECONDS = 10
local MAX_WORK = 500 -- deliveries, and packets, until others have their turn

local function answer(conn, kind, body)
   return conn:write(packet.encode(kind, 0, body))
end

local function refuse(conn, code, reason)
   answer(conn, packet.CONNACK, "\0" .. string.char(code))
   conn:close(reason)
   return true
end

local work = 0 -- done in this call of a handler

local function publish(message, retain)
   local made = {}
   if retain then
      topics.retain(message)
   end
   for client, qos in pairs(topics.subscribers(message.topic)) do
      sessions.deliver(client, message, qos, false, made)
      work = work + 1
   end
end

-- What a client may send, by type: function (conn, flags, body). True when it was understood.
local packets = {}

packets[1] = function(conn, flags, body) -- CONNECT
   local asked = packet.read_connect(flags, body)
   if conn.data.client or not asked then
      return false
   elseif asked.level ~= 4 then
      return refuse(conn, 1, "protocol version")
   elseif not asked.client or asked.will and not topics.is_topic(asked.will.topic) then
      return false
   elseif #asked.client > MAX_CLIENT or asked.client == "" and not asked.is_clean then
      return refuse(conn, 2, "client identifier")
   end
   local client = asked.client ~= "" and asked.client or "\0" .. conn.id -- which nobody can choose
   local goes_on = sessions.open(client, conn, asked.is_clean)
   if goes_on == nil then
      return refuse(conn, 3, "too many sessions")
   end
   local data = conn.data
   data.client, data.will, data.will_retain = client, asked.will, asked.will_retain
   data.patience = asked.keep_alive > 0 and asked.keep_alive * 1.5 or math.huge
   answer(conn, packet.CONNACK, goes_on and "\1\0" or "\0\0")
   sessions.resume(client)
   return true
end

packets[3] = function(conn, flags, body) -- PUBLISH
   local message, retain, id = packet.read_publish(flags, body)
   if not message or not topics.is_topic(message.topic) then
      return false
   end
   publish(message, retain)
   if id then
      answer(conn, packet.PUBACK, id)
   end
   return true
end

packets[4] = function(conn, flags, body) -- PUBACK
   if flags ~= 0 or #body ~= 2 then
      return false
   end
   sessions.acknowledge(conn.data.client, (string.unpack(">I2", body)))
   return true
end

packets[8] = function(conn, flags, body) -- SUBSCRIBE
   local id, wanted = packet.read_filters(flags, body, true)
   if not id then
      return false
   end
   local client, granted = conn.data.client, {}
   for i, one in ipairs(wanted) do
      if not topics.is_filter(one.filter) then
         return false
      end
      granted[i] = sessions.subscribe(client, one.filter, math.min(one.qos, 1))
   end
   answer(conn, packet.SUBACK, id .. string.char(table.unpack(granted)))
   for i, one in ipairs(wanted) do
      for _, message in ipairs(granted[i] < 2 and work < MAX_WORK and topics.retained(one.filter) or {}) do
         sessions.deliver(client, message, granted[i], true, {})
         work = work + 1
      end
   end
   return true
end

packets[10] = function(conn, flags, body) -- UNSUBSCRIBE
   local id, wanted = packet.read_filters(flags, body, false)
   if not id then
      return false
   end
   for _, one in ipairs(wanted) do
      sessions.unsubscribe(conn.data.client, one.filter)
   end
   answer(conn, packet.UNSUBACK, id)
   return true
end

packets[12] = function(conn, flags, body) -- PINGREQ
   return flags == 0 and body == "" and answer(conn, packet.PINGRESP, "")
end

packets[14] = function(conn, flags, body) -- DISCONNECT
   if flags ~= 0 or body ~= "" then
      return false
   end
   conn.data.will = nil
   conn:close("disconnect")
   return true
end

local handlers = { framing = "raw", max_message = 4096 }

function handlers.on_load()
   -- A client says how often it will be heard.
   kelpie.every("mqtt keep-alive", 1, function()
      for conn in kelpie.conns() do
         if kelpie.now() - conn.data.heard > conn.data.patience then
            conn:abort()
         end
      end
   end)
end

function handlers.on_connect(conn)
   conn.data.inbox, conn.data.heard, conn.data.patience = "", kelpie.now(), CONNECT_SECONDS
end

-- Handles the packets that have come. One of them may mean many deliveries: when that is enough
-- work, the others have to wait, and what comes after them waits in the kernel.
local function serve(conn)
   local data = conn.data
   work = 0
   while conn:is_open() do
      local first, body, rest = packet.cut(data.inbox)
      if first == nil then
         return
      elseif work >= MAX_WORK then
         conn:pause()
         kelpie.after(0, function() handlers.on_adopt(conn) end)
         return
      end
      local run = first and (data.client or first >> 4 == 1) and packets[first >> 4]
      data.inbox, work = rest, work + 1
      if not run or not run(conn, first & 15, body) then
         conn:close("malformed packet")
         return
      end
   end
end

-- Goes on where serve has stopped; also in a new version.
function handlers.on_adopt(conn)
   conn:resume()
   serve(conn)
end

function handlers.on_message(conn, bytes)
   local data = conn.data
   data.heard = kelpie.now()
   data.inbox = data.inbox .. bytes
   serve(conn)
end

function handlers.on_disconnect(conn)
   if conn.data.client then
      sessions.close(conn.data.client, conn)
   end
   if conn.data.will then
      publish(conn.data.will, conn.data.will_retain)
   end
end

return handlers
