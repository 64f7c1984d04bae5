-- expect: refused
-- Patterns that are none.
return require("lib.base").handlers(function()
   for _, pattern in ipairs({ "%", "[", "[^", "[a", "[a-", "[%", "(", ")", "%1", "%b", "%bx", "%f", "(()", ("("):rep(40),
      "[]", "[^]", "%g%", ("a?"):rep(300), "(a*(b*)", "\0", "[\0-\255]" }) do
      for _, f in ipairs({ string.find, string.match, string.gmatch }) do
         pcall(f, ("ab\0"):rep(100), pattern)
      end
      pcall(string.gsub, "abc", pattern, "%9")
      pcall(string.gsub, "abc", ".", pattern)
   end
end)
