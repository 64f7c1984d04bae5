-- expect: load-rejected
-- trigger: load
-- Something that clients could see, while it is loaded.
require("kelpie").broadcast("now")
return {}
