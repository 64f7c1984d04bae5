-- expect: killed
-- gsub whose replacement function never comes back.
return require("lib.base").handlers(function()
   (("x"):rep(10)):gsub(".", function() while true do end end)
end)
