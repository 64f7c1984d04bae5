-- expect: load-rejected
-- trigger: load
-- A module never ends.
return require("lib.endless")
