-- expect: ended
-- A hundred thousand named timers: each declaration looks for one of the same name.
local kelpie = require("kelpie")
return require("lib.base").handlers(function()
   for i = 1, 100000 do kelpie.after("n" .. i, 3600, print) end
end)
