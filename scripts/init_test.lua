-- init_test.lua: tests of these scripts; run them with `kelpie test scripts/`

local test = require("kelpie.test")

local tests = {}

function tests.a_new_client_reads_a_welcome()
   local server = test.start("init.lua")
   server:connect():expect_match("%S", "the welcome")
end

function tests.a_line_goes_to_the_others_in_the_room()
   local server = test.start("init.lua")
   local one, two = server:connect(), server:connect()
   one:skip()
   two:skip()
   one:ask("/join tea", "you are in tea, 1 here")
   two:ask("/join tea", "you are in tea, 2 here")
   one:expect("client #1 joined tea")
   two:ask("/nick ann", "you are now called ann")
   one:expect("client #1 is now called ann")
   two:send("hello")
   one:expect_match("ann.*hello")
   two:expect_nothing()
end

function tests.names_and_rooms_survive_a_reload()
   local server = test.start("init.lua")
   local conn = server:connect()
   conn:skip()
   conn:ask("/nick bob", "you are now called bob")
   server:reload()
   conn:ask("/nick bob", "you are now called bob")
   conn:eof()
   conn:expect_closed("eof")
   assert(server:printed():find("client #0 disconnected.", 1, true))
end

return tests
