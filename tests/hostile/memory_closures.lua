-- expect: memory
-- Closures with upvalues, all of which are kept.
return require("lib.base").handlers(function()
   local kept = {}
   while true do
      local a, b = #kept, {}
      kept[#kept + 1] = function() return a, b end
   end
end)
