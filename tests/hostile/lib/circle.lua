-- A module that requires itself.
return require("lib.circle")
