-- expect: load-rejected
-- trigger: load
-- The main chunk never ends.
while true do pcall(function() while true do end end) end
