-- expect: refused
-- Reading is paused and resumed many times.
return require("lib.base").handlers(function(conn)
   for _ = 1, 100000 do conn:pause() conn:resume() end
end)
