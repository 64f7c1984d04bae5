-- expect: load-rejected
-- trigger: load
-- The main chunk yields.
coroutine.yield()
return {}
