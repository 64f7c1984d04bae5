-- expect: refused
-- generation: 6
-- kelpie.reload in a loop, and each generation asks for the next one.
local kelpie = require("kelpie")
return require("lib.base").handlers(function()
   for _ = 1, 100000 do pcall(kelpie.reload) end
end, { on_load = function(reason) if reason == "reload" and kelpie.generation < 6 then kelpie.reload() end end })
