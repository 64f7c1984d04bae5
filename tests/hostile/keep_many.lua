-- expect: ended
-- Three hundred thousand kept tables.
local kept = require("kelpie").keep("kept", {})
return require("lib.base").handlers(function()
   for i = 1, 300000 do kept[i] = { i } end
end)
