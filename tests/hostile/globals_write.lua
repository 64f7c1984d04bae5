-- expect: error
-- A global that nobody has declared.
return require("lib.base").handlers(function() surprise = 1 end)
