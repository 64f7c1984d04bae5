-- expect: load-rejected
-- trigger: load
-- A module that requires itself.
return require("lib.circle")
