-- expect: ended
-- table.sort with a comparison that is none.
return require("lib.base").handlers(function()
   local t = {}
   for i = 1, 1000 do t[i] = i end
   for _ = 1, 100 do pcall(table.sort, t, function() return true end) end
   table.sort(t, function() return true end)
end)
