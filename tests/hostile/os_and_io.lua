-- expect: refused
-- Nothing that blocks, starts a program, ends the process or touches a file.
return require("lib.base").handlers(function()
   for _, name in ipairs({ "execute", "exit", "getenv", "remove", "rename", "tmpname", "setlocale" }) do
      assert(os[name] == nil, name)
   end
   assert(rawget(_G, "io") == nil and rawget(_G, "debug") == nil)
   assert(not pcall(function() os.exit(1) end))
   assert(not pcall(function() io.read() end))
end)
