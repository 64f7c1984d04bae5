-- expect: refused
-- Records with control bytes, of a megabyte, with formats that are none.
local kelpie = require("kelpie")
return require("lib.base").handlers(function()
   kelpie.log("info", "\27[2J\r\n\0\x9b%s", ("\n"):rep(1 << 20))
   print("\27[2J\r\n\0\x9b\u{202e}")
   assert(not pcall(kelpie.log, "alert!", "x") and not pcall(kelpie.log, "info"))
   assert(not pcall(kelpie.log, "info", "%d", "x") and not pcall(kelpie.log, "info", "%"))
end)
