-- expect: refused
-- A __gc that is added to a metatable afterwards is never called.
local called = false
return require("lib.base").handlers(function()
   local meta = {}
   for _ = 1, 100000 do setmetatable({}, meta) end
   meta.__gc = function() called = true while true do end end
   for i = 1, 100000 do local _ = { i } end
   assert(not called)
end)
