-- expect: load-rejected
-- trigger: load
-- It returns no handlers but a coroutine.
return coroutine.create(function() end)
