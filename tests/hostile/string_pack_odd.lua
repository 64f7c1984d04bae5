-- expect: refused
-- string.pack and unpack with sizes that overflow.
return require("lib.base").handlers(function()
   for _, format in ipairs({ "i17", "!99i4", "s9999999999999", "c9999999999999", "Xop", ("i16"):rep(10000),
      "z", "s8", ">!16xXi16" }) do
      pcall(string.pack, format, 1)
      pcall(string.unpack, format, ("\255"):rep(64))
      pcall(string.packsize, format)
   end
end)
