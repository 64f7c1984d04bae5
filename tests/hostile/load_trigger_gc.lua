-- expect: load-rejected
-- trigger: load
-- It is full of garbage when it fails, with weak tables and closing variables.
local weak = setmetatable({}, { __mode = "kv" })
for i = 1, 100000 do weak[{}] = { i } end
local co = coroutine.wrap(function()
   local _ <close> = setmetatable({}, { __close = function() while true do end end })
   coroutine.yield()
end)
co()
error("x")
