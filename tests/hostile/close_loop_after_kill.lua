-- expect: killed
-- The kill itself closes a variable, which goes on running.
return require("lib.base").handlers(function()
   local _ <close> = setmetatable({}, { __close = function() while true do end end })
   while true do end
end)
