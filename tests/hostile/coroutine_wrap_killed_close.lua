-- expect: killed
-- wrap closes what has failed; here the variables of one that was killed.
local function endless() while true do end end
return require("lib.base").handlers(function()
   coroutine.wrap(function()
      local _ <close> = setmetatable({}, { __close = endless })
      endless()
   end)()
end)
