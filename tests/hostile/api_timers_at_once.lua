-- expect: refused
-- linger: 300
-- Three hundred timers that fire in the same moment, each of which takes 20 ms.
local kelpie = require("kelpie")
local function slow() local t = kelpie.now() while kelpie.now() - t < 0.02 do end end
return require("lib.base").handlers(function()
   for _ = 1, 300 do kelpie.after(0, slow) end
end)
