-- expect: load-rejected
-- trigger: load
-- A hundred thousand modules that are not there.
for i = 1, math.huge do pcall(require, "missing" .. i) end
