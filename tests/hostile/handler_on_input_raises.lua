-- expect: error
-- trigger: input
-- on_input raises a table.
return require("lib.base").handlers(nil, { on_input = function() error({ code = 1 }) end })
