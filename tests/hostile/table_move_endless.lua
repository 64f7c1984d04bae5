-- expect: killed
-- table.move over nothing, 2^62 times.
return require("lib.base").handlers(function() table.move({}, 1, 1 << 62, 2) end)
