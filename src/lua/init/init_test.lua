-- init_test.lua: tests of init.lua; run them with `kelpie test` and the name of this folder

local test = require("kelpie.test")

local tests = {}

-- t is a server of this test alone, and conn a client of it; no socket is involved.
function tests.who_says_a_name_is_welcome()
   local t = test.start("init.lua")
   local conn = t:connect()
   conn:expect("hello, you are visitor 1; say your name")
   conn:send("ann")
   conn:expect("welcome, ann")
end

function tests.names_and_the_count_survive_a_reload()
   local t = test.start("init.lua")
   local ann = t:connect()
   ann:send("ann")
   ann:skip()
   t:reload()
   t:connect():expect("hello, you are visitor 2; say your name")
   ann:send("still here")
   ann:expect("ann: still here")
end

function tests.who_says_bye_is_let_go()
   local t = test.start("init.lua")
   local conn = t:connect()
   conn:skip()
   conn:send("bye")
   conn:expect("see you")
   conn:expect_closed("bye")
   assert(t:printed() == "somebody has gone: bye\n")
end

return tests
