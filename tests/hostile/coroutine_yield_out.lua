-- expect: error
-- A handler that yields out of its task.
return require("lib.base").handlers(function() coroutine.yield("x") end)
