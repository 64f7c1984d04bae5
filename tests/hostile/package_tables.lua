-- expect: refused
-- package, with its searchers, loaders of C code and paths, is not there.
return require("lib.base").handlers(function()
   assert(rawget(_G, "package") == nil)
   assert(rawget(_G, "dofile") == nil and rawget(_G, "loadfile") == nil and rawget(_G, "module") == nil)
   for _, name in ipairs({ "io", "debug", "package", "ffi", "bit32" }) do
      assert(not pcall(require, name), name)
   end
end)
