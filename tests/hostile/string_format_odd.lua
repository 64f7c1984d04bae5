-- expect: refused
-- string.format with conversions that are none.
return require("lib.base").handlers(function()
   for _, format in ipairs({ "%", "%99999d", "%.99999f", "%-+ #0123d", "%q%q", "%c", "%s", "%a", ("%d"):rep(300) }) do
      pcall(string.format, format, 1e308)
   end
   assert(#string.format("%99.99f", 1e308) > 300)
end)
