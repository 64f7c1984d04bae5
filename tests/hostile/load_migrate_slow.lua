-- expect: load-rejected
-- trigger: load
-- Each of its phases takes 300 ms: as much in all as three loads may.
local kelpie = require("kelpie")
local function slow() local t = kelpie.now() while kelpie.now() - t < 0.3 do end end
slow()
return { schema = 2, self_test = slow, migrate = slow, migrate_conn = slow, on_load = slow }
