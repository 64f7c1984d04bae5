-- expect: load-rejected
-- trigger: load
-- Each of its phases takes 300 ms of the processor, which count however busy the machine is:
-- as much in all as three loads may.
local function slow() local t = os.clock() while os.clock() - t < 0.3 do end end
slow()
return { schema = 2, self_test = slow, migrate = slow, migrate_conn = slow, on_load = slow }
