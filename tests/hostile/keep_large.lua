-- expect: refused
-- Eight megabytes of kept data.
local kept = require("kelpie").keep("kept", {})
return require("lib.base").handlers(function()
   for i = 1, 100 do kept[i] = (tostring(i)):rep(30000) end
end)
