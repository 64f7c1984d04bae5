-- packet.lua: the bytes of MQTT 3.1.1; for mqtt.lua
--
-- A packet is a byte of type and flags, the length of the rest in one to four bytes, and the
-- rest, its body. A text has two bytes of length in front. What reads a body here returns nil for
-- one that the standard does not allow.

local MAX_BODY = 65536
local MAX_FILTERS = 1000 -- in one packet

local packet = { CONNACK = 2, PUBLISH = 3, PUBACK = 4, SUBACK = 9, UNSUBACK = 11, PINGRESP = 13 }

local function length(len)
   local bytes = ""
   repeat
      local byte = len & 127
      len = len >> 7
      bytes = bytes .. string.char(len > 0 and byte | 128 or byte)
   until len == 0
   return bytes
end

function packet.encode(kind, flags, body)
   return string.char(kind << 4 | flags) .. length(#body) .. body
end

-- Cuts the first packet off: its first byte, its body, the rest. nil while it is not whole, false
-- when its length is not allowed.
function packet.cut(bytes)
   local len = 0
   for i = 2, 5 do
      local byte = bytes:byte(i)
      if not byte then
         return nil
      end
      len = len | (byte & 127) << 7 * (i - 2)
      if len > MAX_BODY then
         return false
      elseif byte < 128 then
         return #bytes >= i + len and bytes:byte(1) or nil, bytes:sub(i + 1, i + len), bytes:sub(i + len + 1)
      end
   end
   return false
end

-- Reads bytes with their length in front, and where they end. nil for what is not there.
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

-- The identifier of a packet: two bytes that are not both 0.
local function take_id(body, at)
   local id = at + 1 <= #body and body:sub(at, at + 1)
   return id and id ~= "\0\0" and id or nil
end

-- { client, is_clean, keep_alive, will = { topic, payload, qos }, will_retain }; or { level } when
-- it speaks another version.
function packet.read_connect(flags, body)
   local name, at = take_text(body, 1)
   if flags ~= 0 or name ~= "MQTT" or at + 3 > #body then
      return nil
   end
   local level, bits, keep_alive, after = string.unpack(">BBI2", body, at)
   if level ~= 4 then
      return { level = level }
   end
   local function has(bit)
      return bits & bit ~= 0
   end
   local asked = { level = level, is_clean = has(2), keep_alive = keep_alive }
   asked.client, after = take_text(body, after)
   if has(4) then
      asked.will, asked.will_retain = { qos = bits >> 3 & 3 }, has(32)
      asked.will.topic, after = take_text(body, after)
      asked.will.payload, after = take(body, after)
   end
   for _, bit in ipairs({ 128, 64 }) do -- user name and password: anybody may come
      if has(bit) then
         after = select(2, take(body, after))
      end
   end
   if after ~= #body + 1 or has(1) or has(64) and not has(128) or has(0x38) and not has(4) or
      asked.will and asked.will.qos > 1 then
      return nil
   end
   return asked
end

-- { topic, payload, qos }, whether to retain it, and its identifier for QoS 1.
function packet.read_publish(flags, body)
   local topic, at = take_text(body, 1)
   local qos = flags >> 1 & 3
   local id = qos == 1 and topic and take_id(body, at)
   if not topic or qos > 1 or qos == 1 and not id or qos == 0 and flags & 8 ~= 0 then
      return nil
   end
   return { topic = topic, payload = body:sub(at + 2 * qos), qos = qos }, flags & 1 ~= 0, id
end

-- The identifier, and a list of { filter, qos }; of filters alone, with qos nil, for UNSUBSCRIBE.
function packet.read_filters(flags, body, have_qos)
   local id, at, wanted = take_id(body, 1), 3, {}
   while at <= #body do
      local filter, qos
      filter, at = take_text(body, at)
      if filter and have_qos then
         qos, at = body:byte(at), at + 1
      end
      if not filter or have_qos and (not qos or qos > 2) or #wanted == MAX_FILTERS then
         return nil
      end
      table.insert(wanted, { filter = filter, qos = qos })
   end
   return flags == 2 and wanted[1] and id, wanted
end

-- A message in two parts, between which its identifier stands when it is of QoS 1.
function packet.publish(message, qos, retain, again)
   local flags = (again and 8 or 0) | qos << 1 | (retain and 1 or 0)
   local topic = string.pack(">s2", message.topic)
   local len = #topic + 2 * qos + #message.payload
   return string.char(packet.PUBLISH << 4 | flags) .. length(len) .. topic, message.payload
end

return packet
