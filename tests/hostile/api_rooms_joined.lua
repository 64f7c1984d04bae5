-- expect: refused
-- Rooms that only their member keeps: memory that no cap of Lua counts.
local kelpie = require("kelpie")
local refused
return require("lib.base").handlers(function(conn)
   local name = ("n"):rep(200)
   for i = 1, math.huge do
      local ok, _, code = conn:join(name .. i)
      if not ok then refused = code break end
      if i % 500 == 0 then kelpie.sleep(0) end
      assert(i < 1000000, "no limit")
   end
   assert(refused == "full", refused)
end)
