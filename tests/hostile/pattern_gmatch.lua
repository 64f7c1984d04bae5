-- expect: ended
-- gmatch for what is never found, from each place on.
return require("lib.base").handlers(function()
   for _ in (("a"):rep(100000)):gmatch(".-.-b") do end
end)
