-- expect: load-rejected
-- trigger: load
-- The fields of the handlers table come from a function that never comes back.
return setmetatable({ on_mesage = 1 }, {
   __index = function() while true do end end,
   __pairs = function() while true do end end,
})
