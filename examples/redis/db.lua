-- redis/db.lua: the data, and the ways to get at them; a key that is over is removed when looked at

local kelpie = require("kelpie")

-- values[key] is a string, { list = { [first] ... [last] }, first, last } or { hash = {} };
-- expires[key] is a time of kelpie.now().
local kept = kelpie.keep("redis", { values = {}, expires = {}, commands = 0 })

local db = { kept = kept }

function db.remove(key)
   local was_there = kept.values[key] ~= nil
   kept.values[key], kept.expires[key] = nil, nil
   return was_there
end

function db.get(key)
   local deadline = kept.expires[key]
   if deadline and deadline <= kelpie.now() then
      db.remove(key)
   end
   return kept.values[key]
end

function db.set(key, value)
   kept.values[key], kept.expires[key] = value, nil
end

-- The list or hash of a key, made when there is none; nil for another type.
function db.container(key, kind, new)
   local value = db.get(key)
   if value == nil then
      kept.values[key] = new
      return new
   end
   return type(value) == "table" and value[kind] and value or nil
end

-- The fields of the hash of a key; nil for another type.
function db.fields(key)
   local value = db.get(key)
   if value == nil then
      return {}
   end
   return type(value) == "table" and value.hash or nil
end

-- Removes what nobody asks for.
function db.sweep()
   local now = kelpie.now()
   for key, deadline in pairs(kept.expires) do
      if deadline <= now then
         db.remove(key)
      end
   end
end

function db.size()
   local n = 0
   for _ in pairs(kept.values) do
      n = n + 1
   end
   return n
end

function db.clear()
   kept.values, kept.expires = {}, {}
end

return db
