-- expect: ended
-- One send of two hundred thousand parts.
return require("lib.base").handlers(function(conn)
   local t = {}
   for i = 1, 200000 do t[i] = "x" end
   conn:send(table.unpack(t))
end)
