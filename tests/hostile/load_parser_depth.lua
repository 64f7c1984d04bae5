-- expect: refused
-- A million parentheses: the parser's own limit.
return require("lib.base").handlers(function()
   assert(not load("return " .. ("("):rep(30000) .. "1" .. (")"):rep(30000)))
   assert(not load(("do "):rep(20000)))
   assert(not load("x = " .. ("{"):rep(60000)))
   assert(not load("x = " .. ("a."):rep(32000)))
   assert(not load("return " .. ("-"):rep(2) .. ("not "):rep(15000) .. "1" .. ("^2"):rep(10000)))
end)
