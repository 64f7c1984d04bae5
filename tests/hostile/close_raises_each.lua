-- expect: error
-- Each of a thousand variables raises while it is closed.
local function open(n)
   local _ <close> = setmetatable({}, { __close = function(_, e) error({ e }) end })
   if n > 0 then open(n - 1) end
end
return require("lib.base").handlers(function() open(150) end)
