-- expect: error
-- A __tostring that gives no string.
return require("lib.base").handlers(function()
   tostring(setmetatable({}, { __tostring = function() return {} end }))
end)
