-- topics.lua: who wants which topics, and what was retained; a tree for mqtt.lua
--
-- A node is one level of topics ("home/kitchen") and of filters ("home/+", "home/#"):
-- { children = { level -> node }, subscribers = { client identifier -> QoS }, retained = message }

local kelpie = require("kelpie")

local MAX_RETAINED_BYTES = 16 * 1024 * 1024 -- with MESSAGE_COST for each
local MESSAGE_COST = 500
local MAX_AT_ONCE = 5000 -- of those retained, for one filter
local MAX_LEVELS = 16

local root = kelpie.keep("mqtt topics", { children = {}, subscribers = {} })
local total = kelpie.keep("mqtt retained", { bytes = 0 })
local topics = {}

local function levels_of(topic)
   local levels = {}
   for level in (topic .. "/"):gmatch("([^/]*)/") do
      table.insert(levels, level)
   end
   return levels
end

function topics.is_topic(text)
   return text and text ~= "" and not text:find("[+#]") and #levels_of(text) <= MAX_LEVELS
end

function topics.is_filter(text)
   local levels = levels_of(text)
   for i, level in ipairs(levels) do
      if level:find("[+#]") and #level > 1 or level == "#" and i < #levels then
         return false
      end
   end
   return text ~= "" and #levels <= MAX_LEVELS
end

local function node_at(levels)
   local node = root
   for _, level in ipairs(levels) do
      node.children[level] = node.children[level] or { children = {}, subscribers = {} }
      node = node.children[level]
   end
   return node
end

-- Removes what is empty on the way to a node.
local function prune(node, levels, i)
   local child = node.children[levels[i]]
   if child then
      prune(child, levels, i + 1)
      if not (next(child.children) or next(child.subscribers) or child.retained) then
         node.children[levels[i]] = nil
      end
   end
end

-- Collects the subscribers, client -> QoS, of each filter that matches a topic. A wildcard does not
-- match a first level with "$".
local function collect_subscribers(node, levels, i, out)
   local wild = i > 1 or levels[1]:sub(1, 1) ~= "$"
   local all = wild and node.children["#"]
   for _, found in ipairs({ all or false, i > #levels and node }) do
      if found and next(found.subscribers) then
         table.insert(out, found.subscribers)
      end
   end
   for _, level in ipairs({ levels[i], wild and i <= #levels and "+" or nil }) do
      if node.children[level] then
         collect_subscribers(node.children[level], levels, i + 1, out)
      end
   end
end

-- Collects the retained messages that a filter matches.
local function collect_retained(node, levels, i, out)
   local level = levels[i]
   if #out >= MAX_AT_ONCE then
      return
   elseif (level == nil or level == "#") and node.retained then
      table.insert(out, node.retained)
   end
   if level == "+" or level == "#" then
      for name, child in pairs(node.children) do
         if node ~= root or name:sub(1, 1) ~= "$" then
            collect_retained(child, levels, level == "#" and i or i + 1, out)
         end
      end
   elseif level and node.children[level] then
      collect_retained(node.children[level], levels, i + 1, out)
   end
end

function topics.subscribe(client, filter, qos)
   node_at(levels_of(filter)).subscribers[client] = qos
end

function topics.unsubscribe(client, filter)
   local levels = levels_of(filter)
   node_at(levels).subscribers[client] = nil
   prune(root, levels, 1)
end

-- Who wants a topic: client identifier -> QoS, the highest of all their filters. To be read only.
function topics.subscribers(topic)
   local found, out = {}, {}
   collect_subscribers(root, levels_of(topic), 1, found)
   if #found == 1 then
      return found[1]
   end
   for _, subscribers in ipairs(found) do
      for client, qos in pairs(subscribers) do
         out[client] = math.max(qos, out[client] or 0)
      end
   end
   return out
end

-- The retained messages that a filter matches; of very many, some.
function topics.retained(filter)
   local out = {}
   collect_retained(root, levels_of(filter), 1, out)
   return out
end

local function cost(message)
   return message and #message.topic + #message.payload + MESSAGE_COST or 0
end

-- Retains a message in place of the one before. An empty one only deletes; one that is too much
-- is not retained.
function topics.retain(message)
   local levels = levels_of(message.topic)
   local node = node_at(levels)
   local wanted = message.payload ~= "" and message or nil
   local bytes = total.bytes - cost(node.retained) + cost(wanted)
   if not wanted or bytes <= MAX_RETAINED_BYTES then
      node.retained, total.bytes = wanted, bytes
   end
   prune(root, levels, 1)
end

return topics
