-- expect: killed
-- coroutine.close of one that the kill has ended: its hooks are off, so it must not run on.
local function endless() while true do end end
return require("lib.base").handlers(function()
   local co = coroutine.create(function()
      local _ <close> = setmetatable({}, { __close = endless })
      endless()
   end)
   pcall(coroutine.resume, co)
   coroutine.close(co)
end)
