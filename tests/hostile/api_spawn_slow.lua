-- expect: refused
-- linger: 300
-- Two hundred spawned functions, each of which takes 30 ms.
local kelpie = require("kelpie")
local function slow() local t = kelpie.now() while kelpie.now() - t < 0.03 do end end
return require("lib.base").handlers(function()
   for _ = 1, 200 do kelpie.spawn(slow) end
end)
