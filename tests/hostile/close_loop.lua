-- expect: killed
-- A to-be-closed variable that never finishes closing.
return require("lib.base").handlers(function()
   local _ <close> = setmetatable({}, { __close = function() while true do end end })
end)
