-- routing_test.lua: tests of what clients can say; run them with `kelpie test scripts/`

local test = require("kelpie.test")

local tests = {}

local function arrive(server)
   local conn = server:connect()
   conn:skip()
   return conn
end

function tests.who_is_in_no_room_talks_to_the_operator_only()
   local server = test.start("init.lua")
   local one, two = arrive(server), arrive(server)
   one:ask("hello")
   one:expect_nothing()
   two:expect_nothing()
   assert(server:printed() == "client #0: hello\n")
end

function tests.a_room_is_left_for_another_one()
   local server = test.start("init.lua")
   local one, two = arrive(server), arrive(server)
   one:ask("/join tea", "you are in tea, 1 here")
   two:ask("/join tea", "you are in tea, 2 here")
   one:expect("client #1 joined tea")
   two:ask("/join coffee", "you are in coffee, 1 here")
   one:expect("client #1 left tea")
   two:ask("hello")
   one:expect_nothing()
   two:ask("/leave", "you left coffee")
   two:ask("/leave", "you are in no room")
   two:ask("/join no room", "a room's name is up to 24 letters, digits, _ and -: /join ROOM")
end

function tests.a_name_belongs_to_one_client()
   local server = test.start("init.lua")
   local one, two = arrive(server), arrive(server)
   one:ask("/nick ann", "you are now called ann")
   one:ask("/nick ann", "you are now called ann")
   two:ask("/nick ann", "somebody is called ann already")
   two:ask("/nick", "a name is up to 24 letters, digits, _ and -: /nick NAME")
   two:ask("/nick " .. ("x"):rep(25), "a name is up to 24 letters, digits, _ and -: /nick NAME")
   one:eof()
   two:ask("/nick ann", "you are now called ann")
end

function tests.a_message_to_a_number_is_read_by_one_client()
   local server = test.start("init.lua")
   local one, two, three = arrive(server), arrive(server), arrive(server)
   one:ask("/nick ann", "you are now called ann")
   one:ask("/msg 1 how are you?")
   two:expect("(ann) how are you?")
   one:expect_nothing()
   three:expect_nothing()
   one:ask("/msg 7 hello", "there is no client #7")
   one:ask("/msg 99999999999999999999 x", "there is no client #99999999999999999999")
   one:ask("/msg bob hello", "to whom, and what? /msg NUMBER TEXT")
   one:ask("/msg", "to whom, and what? /msg NUMBER TEXT")
end

function tests.who_lists_everybody_and_counts_visits_across_a_reload()
   local server = test.start("init.lua")
   local one, two = arrive(server), arrive(server)
   two:ask("/join tea", "you are in tea, 1 here")
   two:ask("/nick bob", "you are now called bob")
   arrive(server):eof()
   server:reload()
   one:ask("/who", "#0 client #0", "#1 bob in tea", "2 here, 3 visits so far")
end

function tests.who_leaves_is_missed_in_the_room()
   local server = test.start("init.lua")
   local one, two = arrive(server), arrive(server)
   one:ask("/join tea", "you are in tea, 1 here")
   two:ask("/join tea", "you are in tea, 2 here")
   one:skip()
   server:reload()
   two:eof()
   one:expect("client #1 left tea")
   arrive(server):ask("/join tea", "you are in tea, 2 here")
   one:expect("client #1 joined tea", "the number is free again")
end

function tests.odd_lines_are_answered_or_ignored()
   local server = test.start("init.lua")
   local conn = arrive(server)
   for _, line in ipairs({ "/", "//", "/ who", "/dance", "/__index", "/1" }) do
      conn:ask(line, "there is no such command; /help lists them")
   end
   for _, line in ipairs({ "", " ", "\0", "\27[2J", "\255\254" }) do
      conn:ask(line)
   end
   conn:expect_nothing()
   conn:send("/help")
   conn:expect_match("^/nick NAME ")
end

return tests
