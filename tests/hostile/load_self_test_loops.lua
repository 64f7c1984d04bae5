-- expect: load-rejected
-- trigger: load
-- self_test never comes back.
return { self_test = function() while true do pcall(function() while true do end end) end end }
