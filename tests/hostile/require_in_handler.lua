-- expect: ended
-- A module that is required only when a message comes.
return require("lib.base").handlers(function() require("lib.good") end)
