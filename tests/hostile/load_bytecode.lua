-- expect: refused
-- Bytecode, by text, by a reader in pieces, with each mode.
return require("lib.base").handlers(function()
   local code = "\27Lua\x54\0\x19\x93\r\n\x1a\n" .. ("\0"):rep(100)
   for _, mode in ipairs({ "b", "bt", "t", "" }) do
      assert(not load(code, "x", mode))
   end
   local n = 0
   assert(not load(function() n = n + 1 return n <= #code and code:sub(n, n) or nil end, "x", "b"))
   assert(not string.dump)
end)
