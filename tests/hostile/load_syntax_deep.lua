-- expect: load-rejected
-- trigger: load
-- It compiles a chunk that nests too deep, and is none itself.
local f = assert(load(("do "):rep(10000)))
return f()
