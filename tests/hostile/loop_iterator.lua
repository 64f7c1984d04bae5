-- expect: killed
-- A generic loop whose iterator never ends.
return require("lib.base").handlers(function()
   for _ in function() return 1 end do end
end)
