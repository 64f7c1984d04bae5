-- expect: killed
-- A loop made of goto.
return require("lib.base").handlers(function()
   ::again::
   goto again
end)
