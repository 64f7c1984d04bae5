-- expect: refused
-- Names of rooms: long, empty, with control bytes, too long.
local kelpie = require("kelpie")
return require("lib.base").handlers(function(conn)
   for _, name in ipairs({ "", "\0", "\27[2J\n", ("x"):rep(200) }) do
      assert(kelpie.room(name) == kelpie.room(name) and kelpie.room(name).name == name)
      conn:join(name)
      print(kelpie.room(name))
   end
   local ok, _, code = conn:join(("x"):rep(1 << 20))
   assert(not ok and code == "full", code)
   assert(not pcall(kelpie.room, {}) and not pcall(conn.join, conn, nil))
end)
