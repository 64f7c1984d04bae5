-- expect: refused
-- reload: rejected
-- A metatable that is no class, with an __index and __pairs that never come back.
local kept = require("kelpie").keep("kept", {})
local function endless() while true do end end
return require("lib.base").handlers(function()
   kept.x = setmetatable({}, { __index = endless, __pairs = endless, __len = endless, __metatable = 1 })
end)
