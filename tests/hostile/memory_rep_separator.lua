-- expect: ended
-- string.rep whose size overflows, with a separator.
return require("lib.base").handlers(function() return (""):rep(1 << 62, "xy") end)
