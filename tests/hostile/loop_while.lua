-- expect: killed
-- An endless loop.
return require("lib.base").handlers(function() while true do end end)
