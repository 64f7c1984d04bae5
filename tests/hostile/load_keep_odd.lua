-- expect: load-rejected
-- trigger: load
-- keep with defaults and names that are none.
local kelpie = require("kelpie")
assert(not pcall(kelpie.keep, "x", 1) and not pcall(kelpie.keep, {}, {}))
for i = 1, 1000 do kelpie.keep("k" .. i, {}) end
kelpie.keep("x", print)
return {}
