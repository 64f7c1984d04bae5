-- expect: refused
-- Names of a megabyte, with NUL and control bytes, and the same one a thousand times.
local kelpie = require("kelpie")
return require("lib.base").handlers(function()
   local fires = 0
   kelpie.after(("\27"):rep(1 << 20), 0, function() error("fired") end):cancel()
   for _ = 1, 1000 do kelpie.after("\0\n", 0.001, function() fires = fires + 1 end) end
   for i = 1, 300 do kelpie.after("n" .. i, 3600, print) end
   kelpie.sleep(0.05)
   assert(fires == 1, fires)
end)
