-- expect: killed
-- pcall swallows the error of a kill, in a loop.
local function endless() while true do end end
return require("lib.base").handlers(function()
   while true do pcall(endless) end
end)
