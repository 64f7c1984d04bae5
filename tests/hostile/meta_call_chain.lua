-- expect: ended
-- A chain of __call: Lua inserts an argument for each.
return require("lib.base").handlers(function()
   local f = print
   for _ = 1, 200000 do f = setmetatable({}, { __call = f }) end
   f()
end)
