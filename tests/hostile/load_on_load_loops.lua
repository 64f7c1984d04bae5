-- expect: load-rejected
-- trigger: load
-- on_load never comes back: the swap is undone.
return { on_load = function() while true do pcall(function() while true do end end) end end }
