-- expect: refused
-- Names that leave the folder, are absolute, have a NUL, are none.
return require("lib.base").handlers(function()
   for _, name in ipairs({ "../siege", "..", "../../src/lua/kelpie.d", "/etc/passwd", "lib/../lib/base",
      "lib.base\0", "", ".", "lib", "lib..base", ("x"):rep(100000), "\27[2J", "lib/base.lua", "...", "~" }) do
      assert(not pcall(require, name), name)
   end
   assert(not pcall(require) and not pcall(require, {}) and not pcall(require, nil))
end)
