-- expect: refused
-- The collector can be asked for its count, and for nothing else.
return require("lib.base").handlers(function()
   local must_raise = require("lib.base").must_raise
   for _, what in ipairs({ "collect", "step", "stop", "restart", "generational", "incremental",
      "setpause", "isrunning" }) do
      must_raise("only", collectgarbage, what)
   end
   assert(collectgarbage("count") > 0)
end)
