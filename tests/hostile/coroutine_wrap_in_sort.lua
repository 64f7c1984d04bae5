-- expect: killed
-- A coroutine within a comparator, within a coroutine.
return require("lib.base").handlers(function()
   coroutine.wrap(function()
      table.sort({ 3, 2, 1 }, function() coroutine.wrap(function() while true do end end)() end)
   end)()
end)
