-- expect: refused
-- Tables that hold each other, and themselves as keys.
local kept = require("kelpie").keep("kept", {})
return require("lib.base").handlers(function(conn)
   kept.me, kept[kept] = kept, kept
   local list = { kept }
   for i = 1, 1000 do list = { list, list, kept, [list] = i } end
   kept.list, conn.data.list = list, { list }
end)
