-- expect: error
-- An error whose __tostring raises an error whose __tostring raises.
return require("lib.base").handlers(function()
   local meta = {}
   meta.__tostring = function() error(setmetatable({}, meta)) end
   error(setmetatable({}, meta))
end)
