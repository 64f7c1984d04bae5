-- welcome_test.lua: tests of the welcome; run them with `kelpie test scripts/`
--
-- Change these lines together with welcome.lua.

local test = require("kelpie.test")

local tests = {}

function tests.a_client_is_told_the_smallest_number_that_is_free()
   local server = test.start("init.lua")
   local one, two, three = server:connect(), server:connect(), server:connect()
   one:expect("welcome! you are client #0!")
   two:expect("welcome! you are client #1!")
   three:expect("welcome! you are client #2!")
   two:eof()
   server:reload()
   server:connect():expect("welcome! you are client #1!")
   server:connect():expect("welcome! you are client #3!")
end

return tests
