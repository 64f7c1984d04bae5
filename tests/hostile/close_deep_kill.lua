-- expect: killed
-- A hundred thousand variables to be closed when the kill comes, each of which catches it.
local meta = { __close = function() pcall(function() while true do end end) end }
local function open(n)
   local _ <close> = setmetatable({}, meta)
   if n == 0 then while true do end end
   return (open(n - 1))
end
return require("lib.base").handlers(function() open(30000) end)
