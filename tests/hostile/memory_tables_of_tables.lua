-- expect: memory
-- Small tables, all of which are kept.
return require("lib.base").handlers(function(conn)
   local list
   while true do list = { list, conn.id } end
end)
