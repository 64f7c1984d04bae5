-- expect: error
-- trigger: disconnect
-- on_disconnect raises.
return require("lib.base").handlers(nil, { on_disconnect = function() error({}) end })
