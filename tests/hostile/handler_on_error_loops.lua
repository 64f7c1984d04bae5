-- expect: killed
-- on_error never comes back.
return require("lib.base").handlers(function() error("x") end, { on_error = function() while true do end end })
