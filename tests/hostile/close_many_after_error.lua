-- expect: killed
-- An error leaves a hundred variables, and each of them takes its time.
local function slow() local t = os.clock() while os.clock() - t < 0.05 do end end
local function open(n)
   local _ <close> = setmetatable({}, { __close = slow })
   if n == 0 then error("x") end
   open(n - 1)
end
return require("lib.base").handlers(function() open(100) end)
