-- expect: load-rejected
-- trigger: load
-- The main chunk raises an object whose __tostring never comes back.
error(setmetatable({}, { __tostring = function() while true do end end }))
