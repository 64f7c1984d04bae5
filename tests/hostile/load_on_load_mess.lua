-- expect: load-rejected
-- trigger: load
-- on_load starts timers, spawns, joins, sends, and then raises.
local kelpie = require("kelpie")
return { on_load = function()
   for i = 1, 100 do
      kelpie.after("n" .. i, 0, error)
      kelpie.spawn(error, "spawned")
      kelpie.every(0.001, error)
   end
   for conn in kelpie.conns() do conn:join("x") conn.data.x = 1 conn:pause() conn:resume() end
   error("no")
end }
