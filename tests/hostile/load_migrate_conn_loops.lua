-- expect: load-rejected
-- trigger: load
-- migrate_conn never comes back.
return { schema = 2, migrate_conn = function() while true do pcall(function() while true do end end) end end }
