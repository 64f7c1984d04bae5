-- expect: refused
-- linger: 100
-- Timers that fire together and cancel each other.
local kelpie = require("kelpie")
local timers = {}
return require("lib.base").handlers(function()
   for i = 1, 500 do
      timers[i] = kelpie.every(0.001, function()
         for _, timer in ipairs(timers) do timer:cancel() end
      end)
   end
end)
