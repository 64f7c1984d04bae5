-- expect: load-rejected
-- trigger: load
-- A variable of the main chunk never finishes closing.
local _ <close> = setmetatable({}, { __close = function() while true do end end })
return {}
