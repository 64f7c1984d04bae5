-- expect: ended
-- Fifty thousand kept tables.
local kept = require("kelpie").keep("kept", {})
return require("lib.base").handlers(function()
   for i = 1, 50000 do kept[i] = { i } end
end)
