-- expect: killed
-- trigger: input
-- on_input never comes back.
return require("lib.base").handlers(nil, { on_input = function() while true do end end })
