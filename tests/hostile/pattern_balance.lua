-- expect: ended
-- %b on parentheses that are never closed: quadratic.
return require("lib.base").handlers(function()
   (("("):rep(200000)):find("%b()")
end)
