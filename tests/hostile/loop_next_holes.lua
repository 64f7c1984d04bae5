-- expect: killed
-- next over a large table that was emptied: each call is a long search in C.
return require("lib.base").handlers(function()
   local t = {}
   for i = 1, 200000 do t["k" .. i] = i end
   for k in pairs(t) do t[k] = nil end
   while true do next(t) end
end)
