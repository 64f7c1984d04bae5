-- expect: refused
-- Sends to a client that does not read fast enough, until its outbox is full.
return require("lib.base").handlers(function(conn)
   local line = ("x"):rep(10000)
   local code
   for _ = 1, 100000 do
      local ok, _, why = conn:send(line)
      if not ok then code = why break end
   end
   assert(code == "full", code)
   local t = require("kelpie").now()
   while conn:queued() > 0 and conn:is_open() and require("kelpie").now() - t < 5 do
      require("kelpie").sleep(0.01)
   end
end)
