-- expect: memory
-- string.rep of a gigabyte.
return require("lib.base").handlers(function() return ("x"):rep(1 << 30) end)
