-- expect: killed
-- trigger: disconnect
-- on_disconnect never comes back.
return require("lib.base").handlers(nil, { on_disconnect = function() while true do end end })
