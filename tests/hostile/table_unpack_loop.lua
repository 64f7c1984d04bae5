-- expect: killed
-- table.unpack and table.pack of two hundred thousand values, in a loop.
return require("lib.base").handlers(function()
   local t = {}
   for i = 1, 200000 do t[i] = i end
   while true do table.pack(table.unpack(t)) end
end)
