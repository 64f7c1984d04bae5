-- expect: error
-- A __newindex that sets itself.
return require("lib.base").handlers(function()
   local t = setmetatable({}, { __newindex = function(t, k, v) t[k] = v end })
   t.x = 1
end)
