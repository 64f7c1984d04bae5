-- expect: load-rejected
-- trigger: load
-- A framing whose fields come from a function that never comes back.
return { framing = setmetatable({}, { __index = function() while true do end end }) }
