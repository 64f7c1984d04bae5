-- expect: refused
-- Chunk names with control bytes, of a megabyte, and such that look like a file.
return require("lib.base").handlers(function()
   for _, name in ipairs({ "@/etc/passwd", "=\27[2J\n", "@" .. ("x"):rep(1 << 20), "\0" }) do
      local f = load("error('e')", name)
      if f then
         require("kelpie").spawn(f)
      end
      print(select(2, load("x = = 1", name)))
   end
end)
