-- expect: ended
-- linger: 700
-- Suspended handlers, whose variables never finish closing when their generation retires.
local kelpie = require("kelpie")
return require("lib.base").handlers(function()
   for _ = 1, 20 do
      kelpie.spawn(function()
         local _ <close> = setmetatable({}, { __close = function() while true do end end })
         kelpie.sleep(3600)
      end)
   end
end)
