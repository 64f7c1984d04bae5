-- expect: refused
-- Times that are no time.
local kelpie = require("kelpie")
return require("lib.base").handlers(function()
   for _, s in ipairs({ -1, 0 / 0, -math.huge, "x", {} }) do
      assert(not pcall(kelpie.after, s, print))
      assert(not pcall(kelpie.sleep, s))
      assert(not pcall(kelpie.every, s, print))
   end
   pcall(kelpie.after, math.huge, print)
   pcall(kelpie.after, 1e300, print)
   pcall(kelpie.every, 1e-300, print)
end)
