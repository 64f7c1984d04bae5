-- expect: refused
-- The metatables of kelpie's own objects, which have finalizers, cannot be had.
local kelpie = require("kelpie")
return require("lib.base").handlers(function(conn)
   for _, object in ipairs({ conn, kelpie.room("x"), kelpie.after(9, print), "" }) do
      assert(type(getmetatable(object)) ~= "table", "a metatable can be had")
      assert(not pcall(setmetatable, object, {}))
   end
end)
