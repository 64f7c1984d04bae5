-- expect: ended
-- A chain of __call: Lua inserts an argument for each, moving all those before it. That takes
-- the square of its length and cannot be interrupted: 200,000 would take five seconds.
return require("lib.base").handlers(function()
   local f = function() end
   for _ = 1, 20000 do f = setmetatable({}, { __call = f }) end
   f()
end)
