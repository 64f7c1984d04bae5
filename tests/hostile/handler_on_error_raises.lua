-- expect: error
-- on_error raises.
return require("lib.base").handlers(function() error("x") end,
   { on_error = function(_, message) error(message .. message) end })
