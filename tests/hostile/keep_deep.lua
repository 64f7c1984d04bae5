-- expect: refused
-- A list of a hundred thousand tables, each within the one before.
local kept = require("kelpie").keep("kept", {})
return require("lib.base").handlers(function()
   for _ = 1, 100000 do kept.next = { next = kept.next } end
end)
