-- expect: load-rejected
-- trigger: load
-- The main chunk waits.
require("kelpie").sleep(1)
return {}
