-- expect: ended
-- linger: 700
-- A hundred suspended handlers, each of which closes in 60 ms: no one of them is late.
local kelpie = require("kelpie")
local function slow() local t = kelpie.now() while kelpie.now() - t < 0.06 do end end
return require("lib.base").handlers(function()
   for _ = 1, 100 do
      kelpie.spawn(function()
         local _ <close> = setmetatable({}, { __close = slow })
         while true do pcall(kelpie.sleep, 3600) end
      end)
   end
end)
