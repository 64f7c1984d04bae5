-- expect: load-rejected
-- trigger: load
-- migrate never comes back.
return { schema = 2, migrate = function() while true do pcall(function() while true do end end) end end }
