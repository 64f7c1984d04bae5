-- expect: load-rejected
-- trigger: load
-- class with a metatable that loops, and another one of the same name.
local kelpie = require("kelpie")
kelpie.class("C", { __index = function() while true do end end })
kelpie.class("C", {})
error("two of them")
