-- expect: ended
-- Stars in a row, and a letter that is not there.
return require("lib.base").handlers(function()
   local s = ("a"):rep(5000)
   s:find("a*a*a*a*b")
   s:find("a-a-a-a-b")
   s:find("[ab]*[ab]*[ab]*c")
end)
