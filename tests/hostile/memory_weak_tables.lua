-- expect: ended
-- Large weak tables, ephemerons in a chain: work for the collector.
return require("lib.base").handlers(function()
   local chain = setmetatable({}, { __mode = "k" })
   local key = {}
   local first = key
   for _ = 1, 200000 do
      local next_key = {}
      chain[key] = next_key
      key = next_key
   end
   while first do local _ = { {}, {} } end
end)
