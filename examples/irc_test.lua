-- irc_test.lua: tests of irc.lua; run them with `kelpie test examples`

local test = require("kelpie.test")

local tests = {}

-- Sends a line, and takes the lines that are the answer, without the name of the server.
local function ask(c, line, ...)
   c:send(line)
   for _, wanted in ipairs({ ... }) do
      c:expect((wanted:gsub("^%d%d%d ", ":kelpie.example %0")), "after " .. line)
   end
end

local function arrive(t, nick, channel)
   local c = t:connect()
   c:send("NICK " .. nick)
   c:send("USER " .. nick .. " 0 * :The real " .. nick)
   if channel then
      c:send("JOIN " .. channel)
   end
   c:skip()
   return c
end

local HOST -- of all clients

local function start()
   local t = test.start("irc.lua")
   local c = t:connect()
   c:send("NICK probe")
   c:send("USER probe 0 * :x")
   HOST = c:expect_match("^:kelpie.example 001 probe :Welcome to kelpie, probe!probe@(.+)$")
   c:send("QUIT")
   return t
end

-- A line that somebody has sent, as others read it.
local function from(nick, text)
   return ":" .. nick .. "!" .. nick .. "@" .. HOST .. " " .. text
end

-- ---- coming --------------------------------------------------------------------------------

function tests.a_client_that_asks_for_capabilities_is_welcomed_after_them()
   local t = start()
   local c = t:connect()
   ask(c, "CAP LS 302", ":kelpie.example CAP * LS :")
   ask(c, "NICK ira")
   ask(c, "USER ira ira 127.0.0.1 :Ira")
   c:expect_nothing("it is still talking about capabilities")
   ask(c, "CAP REQ :sasl multi-prefix", ":kelpie.example CAP ira NAK :sasl multi-prefix")
   c:send("CAP END")
   for _, code in ipairs({ "001", "002", "003", "004", "005", "251", "422" }) do
      c:expect_match("^:kelpie%.example " .. code .. " ira ")
   end
   ask(c, "CAP LIST", ":kelpie.example CAP ira LIST :")
   ask(c, "CAP x", "410 ira X :Invalid CAP command")
   c:expect_nothing()
end

function tests.before_the_welcome_nothing_else_is_possible()
   local t = start()
   local c = t:connect()
   ask(c, "JOIN #tea", "451 * :You have not registered")
   ask(c, "PING :42", ":kelpie.example PONG kelpie.example :42")
   ask(c, "USER a", "461 * USER :Not enough parameters")
   ask(c, "PASS secret")
   ask(c, "NICK", "431 * :No nickname given")
   ask(c, "NICK :", "431 * :No nickname given")
   ask(c, "NICK 1st", "432 * 1st :Erroneous nickname")
   ask(c, "NICK " .. ("x"):rep(31), "432 * " .. ("x"):rep(31) .. " :Erroneous nickname")
   c:expect_nothing()
end

function tests.a_nick_belongs_to_one_person_whatever_its_case()
   local t = start()
   local anna = arrive(t, "Anna[]")
   local c = t:connect()
   ask(c, "NICK anna{}", "433 * anna{} :Nickname is already in use")
   ask(anna, "NICK anna{}", ":Anna[]!Anna@" .. HOST .. " NICK :anna{}")
   anna:send("QUIT")
   ask(c, "NICK anna{}")
   c:expect_nothing("it is free again")
end

function tests.a_name_of_odd_bytes_does_not_break_the_prefix_of_others()
   local t = start()
   local c = t:connect()
   c:send("NICK odd")
   c:send("USER a!b@c: 0 * :x")
   c:expect_match("^:kelpie%.example 001 odd :Welcome to kelpie, odd!abc@")
   ask(c:skip() and c, "USER again 0 * :x", "462 odd :You may not reregister")
end

-- ---- channels ------------------------------------------------------------------------------

function tests.who_joins_reads_the_topic_and_who_is_there()
   local t = start()
   local anna, bert = arrive(t, "anna"), arrive(t, "bert")
   ask(anna, "JOIN #Tea", from("anna", "JOIN #Tea"), "353 anna = #Tea :@anna",
      "366 anna #Tea :End of NAMES list")
   ask(anna, "TOPIC #tea", "331 anna #Tea :No topic is set")
   ask(anna, "TOPIC #tea :about tea", from("anna", "TOPIC #Tea :about tea"))
   t:reload()
   ask(bert, "JOIN #TEA", from("bert", "JOIN #Tea"), "332 bert #Tea :about tea",
      "353 bert = #Tea :@anna bert", "366 bert #Tea :End of NAMES list")
   anna:expect(from("bert", "JOIN #Tea"))
   ask(bert, "JOIN #tea")
   bert:expect_nothing("he is there already")
   ask(bert, "PART #tea :bye", from("bert", "PART #Tea :bye"))
   anna:expect(from("bert", "PART #Tea :bye"))
   ask(bert, "PART #tea", "442 bert #tea :You're not on that channel")
   ask(bert, "PART #none", "403 bert #none :No such channel")
   ask(bert, "JOIN none", "403 bert none :No such channel")
   ask(bert, "PART " .. ("#x,"):rep(12))
   local answers = bert:skip()
   assert(select(2, answers:gsub(" 403 bert #x ", "")) == 10 and answers:find(" 407 bert ", 1, true), answers)
end

function tests.what_is_said_reaches_all_but_the_sender()
   local t = start()
   local anna, bert, carl = arrive(t, "anna", "#tea"), arrive(t, "bert", "#tea"), arrive(t, "carl")
   anna:skip()
   ask(anna, "PRIVMSG #tea :hello  all :)")
   bert:expect(from("anna", "PRIVMSG #tea :hello  all :)"))
   ask(anna, "NOTICE bert,carl :psst")
   bert:expect(from("anna", "NOTICE bert :psst"))
   carl:expect(from("anna", "NOTICE carl :psst"))
   anna:expect_nothing()
   ask(carl, "PRIVMSG #tea :from outside", "404 carl #tea :Cannot send to channel")
   ask(anna, "MODE #tea -n", from("anna", "MODE #tea -n"))
   ask(carl, "PRIVMSG #tea :from outside")
   anna:expect(from("carl", "PRIVMSG #tea :from outside"))
end

function tests.a_message_to_nobody_is_answered_and_a_notice_is_not()
   local t = start()
   local anna = arrive(t, "anna")
   t:connect():send("NICK half") -- not welcome yet
   ask(anna, "PRIVMSG half :hello", "401 anna half :No such nick/channel")
   ask(anna, "PRIVMSG nobody :hello", "401 anna nobody :No such nick/channel")
   ask(anna, "PRIVMSG", "411 anna :No recipient given (PRIVMSG)")
   ask(anna, "PRIVMSG anna", "412 anna :No text to send")
   ask(anna, "PRIVMSG anna :", "412 anna :No text to send")
   ask(anna, "PRIVMSG a,b,c,d,e :x", "401 anna a :No such nick/channel", "401 anna b :No such nick/channel",
      "401 anna c :No such nick/channel", "401 anna d :No such nick/channel",
      "407 anna e :Too many recipients")
   ask(anna, "NOTICE nobody :hello")
   ask(anna, "NOTICE")
   anna:expect_nothing()
end

function tests.operators_change_modes_and_topics_others_do_not()
   local t = start()
   local anna, bert = arrive(t, "anna", "#tea"), arrive(t, "bert", "#tea")
   anna:skip()
   ask(bert, "MODE #tea", "324 bert #tea +nt")
   ask(bert, "MODE #tea b", "368 bert #tea :End of channel ban list")
   ask(bert, "MODE #tea +o bert", "482 bert #tea :You're not channel operator")
   ask(bert, "TOPIC #tea :mine", "482 bert #tea :You're not channel operator")
   ask(anna, "MODE #tea -t+xo bert", "472 anna x :is unknown mode char to me",
      from("anna", "MODE #tea -t+o bert"))
   bert:expect(from("anna", "MODE #tea -t+o bert"))
   ask(anna, "MODE #tea +o nobody", "441 anna nobody #tea :They aren't on that channel")
   ask(anna, "MODE #tea +o", "441 anna * #tea :They aren't on that channel")
   t:reload()
   ask(bert, "MODE #tea -o anna", from("bert", "MODE #tea -o anna"))
   anna:expect(from("bert", "MODE #tea -o anna"))
   ask(anna, "TOPIC #tea :anybody may", from("anna", "TOPIC #tea :anybody may"))
   ask(anna, "MODE anna +i", "221 anna +")
   ask(anna, "MODE bert +i", "502 anna :Cannot change mode for other users")
   ask(anna, "MODE #none", "403 anna #none :No such channel")
end

function tests.an_operator_can_kick()
   local t = start()
   local anna, bert = arrive(t, "anna", "#tea"), arrive(t, "bert", "#tea")
   anna:skip()
   ask(bert, "KICK #tea anna", "482 bert #tea :You're not channel operator")
   ask(anna, "KICK #tea carl", "441 anna carl #tea :They aren't on that channel")
   ask(anna, "KICK #tea bert :enough", from("anna", "KICK #tea bert :enough"))
   bert:expect(from("anna", "KICK #tea bert :enough"))
   ask(bert, "PRIVMSG #tea :hello", "404 bert #tea :Cannot send to channel")
end

function tests.a_channel_without_anybody_is_forgotten()
   local t = start()
   local anna, bert = arrive(t, "anna", "#tea"), arrive(t, "bert")
   ask(anna, "TOPIC #tea :old", from("anna", "TOPIC #tea :old"))
   ask(bert, "LIST", "321 bert Channel :Users  Name", "322 bert #tea 1 :old", "323 bert :End of LIST")
   ask(anna, "JOIN 0", from("anna", "PART #tea :"))
   ask(bert, "LIST", "321 bert Channel :Users  Name", "323 bert :End of LIST")
   ask(bert, "JOIN #tea", from("bert", "JOIN #tea"), "353 bert = #tea :@bert",
      "366 bert #tea :End of NAMES list")
end

function tests.fifty_channels_are_enough_for_anybody()
   local t = start()
   local anna = arrive(t, "anna")
   for i = 1, 50 do
      anna:send("JOIN #c" .. i)
   end
   anna:skip()
   ask(anna, "JOIN #more", "405 anna #more :You have joined too many channels")
   ask(anna, "WHOIS anna")
   local lines = select(2, anna:skip():gsub(" 319 anna anna :@#c", "%0"))
   assert(lines == 10, lines .. " lines of channels")
end

-- ---- people --------------------------------------------------------------------------------

function tests.who_and_whois_tell_about_people()
   local t = start()
   local anna, bert = arrive(t, "anna", "#tea"), arrive(t, "bert")
   ask(bert, "AWAY :at lunch", "306 bert :You have been marked as being away")
   ask(anna, "WHO #tea", "352 anna #tea anna " .. HOST .. " kelpie.example anna H@ :0 The real anna",
      "315 anna #tea :End of WHO list")
   ask(anna, "WHO bert", "352 anna * bert " .. HOST .. " kelpie.example bert G :0 The real bert",
      "315 anna bert :End of WHO list")
   ask(anna, "WHO nobody", "315 anna nobody :End of WHO list")
   ask(bert, "WHOIS anna", "311 bert anna anna " .. HOST .. " * :The real anna", "319 bert anna :@#tea",
      "312 bert anna kelpie.example :kelpie", "318 bert anna :End of WHOIS list")
   ask(bert, "WHOIS nobody", "401 bert nobody :No such nick/channel", "318 bert nobody :End of WHOIS list")
   ask(anna, "USERHOST anna nobody BERT", "302 anna :anna=+anna@" .. HOST .. " bert=-bert@" .. HOST)
   ask(anna, "ISON anna nobody BERT", "303 anna :anna bert")
   ask(anna, "PRIVMSG bert :hungry?", "301 anna bert :at lunch")
   t:reload()
   ask(anna, "NOTICE bert :hungry?")
   anna:expect_nothing()
   ask(bert, "AWAY", from("anna", "PRIVMSG bert :hungry?"), from("anna", "NOTICE bert :hungry?"),
      "305 bert :You are no longer marked as being away")
end

function tests.who_shares_channels_is_told_of_a_new_nick_and_of_the_end_once()
   local t = start()
   local anna, bert = arrive(t, "anna", "#a,#b"), arrive(t, "bert", "#a,#b")
   local carl = arrive(t, "carl", "#c")
   anna:skip()
   ask(bert, "NICK Berta", from("bert", "NICK :Berta"))
   anna:expect(from("bert", "NICK :Berta"))
   bert:send("QUIT :tired")
   bert:expect("ERROR :Closing link")
   bert:expect_closed("quit")
   anna:expect(":Berta!bert@" .. HOST .. " QUIT :Quit: tired")
   anna:expect_nothing()
   carl:expect_nothing("he was never with them")
   local dora = arrive(t, "dora", "#a")
   anna:skip()
   dora:eof()
   anna:expect(from("dora", "QUIT :eof"))
end

function tests.who_is_silent_is_asked_and_then_let_go()
   local t = start()
   local anna, bert = arrive(t, "anna", "#tea"), arrive(t, "bert", "#tea")
   anna:skip()
   t:advance(119)
   anna:expect_nothing()
   t:reload()
   t:advance(1)
   anna:expect("PING :kelpie.example", "the timer keeps its deadline across a reload")
   bert:expect("PING :kelpie.example")
   for _ = 1, 2 do
      anna:send("PONG :kelpie.example")
      t:advance(120)
   end
   bert:expect_closed("ping timeout")
   anna:expect("PING :kelpie.example")
   anna:expect("PING :kelpie.example")
   anna:expect(from("bert", "QUIT :ping timeout"))
end

-- ---- what is not as it should be -----------------------------------------------------------

function tests.odd_lines_are_answered_or_ignored()
   local t = start()
   local anna = arrive(t, "anna")
   for _, line in ipairs({ "", " ", ":", ": ", ":x", " :", "\r\r", "\0" }) do
      anna:send(line)
   end
   anna:expect_nothing()
   ask(anna, "DANCE", "421 anna DANCE :Unknown command")
   ask(anna, ":anna!x@y  privmsg   anna  :to  myself", from("anna", "PRIVMSG anna :to  myself"))
   ask(anna, "__index", "421 anna __INDEX :Unknown command")
   ask(anna, "JOIN", "461 anna JOIN :Not enough parameters")
   ask(anna, "KICK #a", "461 anna KICK :Not enough parameters")
   ask(anna, "PRIVMSG a b c d e f g h i j k l m n o p q r s t :u", "401 anna a :No such nick/channel")
end

function tests.no_line_is_longer_than_512_bytes()
   local t = start()
   local anna, bert = arrive(t, "anna", "#tea"), arrive(t, "bert", "#tea")
   anna:skip()
   anna:send("PRIVMSG #tea :" .. ("x"):rep(1500))
   local got = bert:skip()
   assert(#got == 512 and got:sub(-2) == "\r\n", #got .. " bytes")
   anna:send(("x"):rep(3000))
   anna:expect_closed("message too long")
   bert:expect(from("anna", "QUIT :message too long"))
end

return tests
