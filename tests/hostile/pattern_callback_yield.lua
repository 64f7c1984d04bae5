-- expect: ended
-- gsub whose replacement function waits.
return require("lib.base").handlers(function()
   (("x"):rep(10)):gsub(".", function() require("kelpie").sleep(0) end)
end)
