-- expect: refused
-- reload: rejected
-- A metatable on the kept root itself.
local kept = require("kelpie").keep("kept", {})
local function endless() while true do end end
return require("lib.base").handlers(function()
   setmetatable(kept, { __index = endless, __newindex = endless, __pairs = endless })
end)
