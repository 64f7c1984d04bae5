-- expect: ended
-- A pattern whose matching nests two hundred thousand deep.
return require("lib.base").handlers(function()
   (("a"):rep(200000)):find(("a?"):rep(200000) .. "b")
   (("a"):rep(200000)):find(("(a)"):rep(31) .. ("a"):rep(190000) .. "b")
end)
