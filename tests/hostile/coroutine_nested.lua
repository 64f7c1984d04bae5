-- expect: killed
-- An endless loop, eighty coroutines deep, each of which catches it.
local function nest(n)
   if n == 0 then while true do end end
   while true do pcall(coroutine.wrap(function() nest(n - 1) end)) end
end
return require("lib.base").handlers(function() nest(80) end)
