-- expect: error
-- An error message of ten megabytes, with control bytes.
return require("lib.base").handlers(function() error(("\27[2J\0\r\n"):rep(1500000)) end)
