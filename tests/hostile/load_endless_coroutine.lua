-- expect: load-rejected
-- trigger: load
-- The main chunk waits for a coroutine that never ends.
return coroutine.wrap(function() while true do end end)()
