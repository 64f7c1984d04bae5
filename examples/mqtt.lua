-- mqtt.lua: an MQTT 3.1.1 broker: QoS 0 and 1, retained messages, wildcards, last will
--
--   kelpie run -p 1883 examples/mqtt.lua
--   mosquitto_sub -t 'home/#' -v             in one terminal
--   mosquitto_pub -t home/kitchen -m 21.5    in another
--
-- A packet is a byte of type and flags, the length of the rest in one to four bytes, and the
-- rest. No framing of kelpie has that: it is "raw" here, and conn.data.inbox collects bytes
-- until a packet is whole, also across a reload. mqtt/topics.lua finds who wants a message.
--
-- Simple on purpose: every session is clean (it ends with its connection), QoS 2 is refused, and
-- a message of QoS 1 is sent once, since TCP loses none while the connection lives.

local kelpie = require("kelpie")
local topics = require("mqtt.topics")

local MAX_PACKET = 65536
local MAX_FILTERS = 100 -- of one client
local CONNACK, PUBLISH, PUBACK, SUBACK, UNSUBACK, PINGRESP = 2, 3, 4, 9, 11, 13

local clients = kelpie.keep("mqtt clients", {}) -- client identifier -> id of its connection

local function send_packet(conn, kind, flags, body)
   local length, rest = "", #body
   repeat
      local byte = rest & 127
      rest = rest >> 7
      length = length .. string.char(rest > 0 and byte | 128 or byte)
   until rest == 0
   return conn:write(string.char(kind << 4 | flags), length, body)
end

local function deliver(conn, message, qos, retain)
   local id = ""
   qos = math.min(qos, message.qos)
   if qos > 0 then
      conn.data.last_id = (conn.data.last_id or 0) % 65535 + 1
      id = string.pack(">I2", conn.data.last_id)
   end
   local flags = qos << 1 | (retain and 1 or 0)
   local body = string.pack(">s2", message.topic) .. id .. message.payload
   local _, _, code = send_packet(conn, PUBLISH, flags, body)
   if code == "full" and qos > 0 then
      conn:close("slow reader") -- what it was promised cannot be kept
   end
end

local function publish(message, retain)
   if retain then
      topics.retain(message)
   end
   for id, qos in pairs(topics.subscribers(message.topic)) do
      local conn = kelpie.find(id)
      if conn then
         deliver(conn, message, qos, false)
      end
   end
end

-- Reads a string with two bytes of length; where it ends. nil for what is not there.
local function take(body, at)
   local len = at and at + 1 <= #body and string.unpack(">I2", body, at)
   if len and at + 1 + len <= #body then
      return body:sub(at + 2, at + 1 + len), at + 2 + len
   end
   return nil
end

-- The same for text: UTF-8 without NUL.
local function take_text(body, at)
   local text, after = take(body, at)
   if text and utf8.len(text) and not text:find("\0", 1, true) then
      return text, after
   end
   return nil
end

local function unsubscribe(conn, filter)
   if conn.data.filters[filter] then
      conn.data.filters[filter] = nil
      conn.data.n_filters = conn.data.n_filters - 1
      topics.unsubscribe(conn.id, filter)
   end
end

local function subscribe(conn, filter, qos)
   if not conn.data.filters[filter] then
      if conn.data.n_filters == MAX_FILTERS then
         return "\x80"
      end
      conn.data.n_filters = conn.data.n_filters + 1
   end
   conn.data.filters[filter] = true
   topics.subscribe(conn.id, filter, qos)
   return string.char(qos)
end

-- What a client may send, by type: function (conn, flags, body). True when it was understood.
local packets = {}

packets[1] = function(conn, flags, body) -- CONNECT
   local name, at = take_text(body, 1)
   if conn.data.client or flags ~= 0 or name ~= "MQTT" or at + 3 > #body then
      return false
   end
   local level, bits, keep_alive, after = string.unpack(">BBI2", body, at)
   if level ~= 4 then
      send_packet(conn, CONNACK, 0, "\0\1")
      conn:close("protocol version")
      return true
   end
   local client, topic, payload
   client, after = take_text(body, after)
   if bits & 4 ~= 0 then
      topic, after = take_text(body, after)
      payload, after = take(body, after)
   end
   for _, bit in ipairs({ 128, 64 }) do -- user name and password: anybody may come
      if bits & bit ~= 0 then
         after = select(2, take(body, after))
      end
   end
   local will_qos = bits >> 3 & 3
   if after ~= #body + 1 or bits & 1 ~= 0 or will_qos > 1 or
      bits & 4 == 0 and bits & 0x38 ~= 0 or bits & 4 ~= 0 and not topics.is_topic(topic) then
      return false
   end
   if client == "" and bits & 2 == 0 then
      send_packet(conn, CONNACK, 0, "\0\2")
      conn:close("client identifier")
      return true
   end
   local other = clients[client] and kelpie.find(clients[client])
   if client == "" then
      client = "kelpie-" .. conn.id
   elseif other then
      other:close("taken over")
   end
   clients[client] = conn.id
   conn.data.client, conn.data.filters, conn.data.n_filters = client, {}, 0
   conn.data.patience = keep_alive > 0 and keep_alive * 1.5 or math.huge
   if topic then
      conn.data.will = { topic = topic, payload = payload, qos = will_qos }
      conn.data.will_retain = bits & 32 ~= 0
   end
   send_packet(conn, CONNACK, 0, "\0\0")
   return true
end

packets[3] = function(conn, flags, body) -- PUBLISH
   local topic, at = take_text(body, 1)
   local qos = flags >> 1 & 3
   if not topics.is_topic(topic) or qos > 1 or qos == 1 and at + 1 > #body then
      return false
   end
   local id = body:sub(at, at + 2 * qos - 1)
   if id == "\0\0" then
      return false
   end
   publish({ topic = topic, payload = body:sub(at + 2 * qos), qos = qos }, flags & 1 ~= 0)
   if qos == 1 then
      send_packet(conn, PUBACK, 0, id)
   end
   return true
end

packets[4] = function(_, flags, body) -- PUBACK
   return flags == 0 and #body == 2
end

packets[8] = function(conn, flags, body) -- SUBSCRIBE
   local at, answer, filters = 3, "", {}
   while at <= #body do
      local filter, after = take_text(body, at)
      local qos = filter and body:byte(after)
      if not qos or qos > 2 or not topics.is_filter(filter) then
         return false
      end
      answer = answer .. subscribe(conn, filter, math.min(qos, 1))
      table.insert(filters, { filter, math.min(qos, 1) })
      at = after + 1
   end
   if flags ~= 2 or #filters == 0 then
      return false
   end
   send_packet(conn, SUBACK, 0, body:sub(1, 2) .. answer)
   for _, filter in ipairs(filters) do
      for _, message in ipairs(topics.retained(filter[1])) do
         deliver(conn, message, filter[2], true)
      end
   end
   return true
end

packets[10] = function(conn, flags, body) -- UNSUBSCRIBE
   local at = 3
   while at and at <= #body do
      local filter
      filter, at = take_text(body, at)
      if filter then
         unsubscribe(conn, filter)
      end
   end
   if flags ~= 2 or not at or at == 3 then
      return false
   end
   send_packet(conn, UNSUBACK, 0, body:sub(1, 2))
   return true
end

packets[12] = function(conn, flags, body) -- PINGREQ
   return flags == 0 and body == "" and send_packet(conn, PINGRESP, 0, "")
end

packets[14] = function(conn, flags, body) -- DISCONNECT
   if flags ~= 0 or body ~= "" then
      return false
   end
   conn.data.will = nil
   conn:close("disconnect")
   return true
end

-- Cuts the first packet off: first byte, body, the rest. nil while it is not whole, false when
-- its length is not allowed.
local function cut(inbox)
   local len = 0
   for i = 2, 5 do
      local byte = inbox:byte(i)
      if not byte then
         return nil
      end
      len = len | (byte & 127) << 7 * (i - 2)
      if byte < 128 then
         if len > MAX_PACKET then
            return false
         end
         return #inbox >= i + len and inbox:byte(1) or nil, inbox:sub(i + 1, i + len), inbox:sub(i + len + 1)
      end
   end
   return false
end

local handlers = { framing = "raw", max_message = 4096 }

function handlers.on_load()
   -- A client says how often it will be heard. Until its CONNECT it has ten seconds.
   kelpie.every("mqtt keep-alive", 1, function()
      for conn in kelpie.conns() do
         if kelpie.now() - conn.data.heard > conn.data.patience then
            conn:abort()
         end
      end
   end)
end

function handlers.on_connect(conn)
   conn.data.inbox, conn.data.heard, conn.data.patience = "", kelpie.now(), 10
end

function handlers.on_message(conn, bytes)
   conn.data.heard = kelpie.now()
   conn.data.inbox = conn.data.inbox .. bytes
   while conn:is_open() do
      local first, body, rest = cut(conn.data.inbox)
      if first == nil then
         return
      end
      local packet = first and packets[first >> 4]
      if not packet or not (conn.data.client or first >> 4 == 1) or not packet(conn, first & 15, body) then
         conn:close("malformed packet")
         return
      end
      conn.data.inbox = rest
   end
end

function handlers.on_disconnect(conn)
   local data = conn.data
   for filter in pairs(data.filters or {}) do
      unsubscribe(conn, filter)
   end
   if data.client and clients[data.client] == conn.id then
      clients[data.client] = nil
   end
   if data.will then
      publish(data.will, data.will_retain)
   end
end

return handlers
