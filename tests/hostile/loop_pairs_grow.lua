-- expect: killed
-- pairs over a table, again and again.
local t = { a = 1, b = 2 }
return require("lib.base").handlers(function()
   while true do for k in pairs(t) do t[k] = t[k] + 1 end end
end)
