-- mqtt_test.lua: tests of mqtt.lua; run them with `kelpie test examples`

local test = require("kelpie.test")

local tests = {}

-- ---- packets, made here by hand ------------------------------------------------------------

local function pack(first, body)
   assert(#body < 128)
   return string.char(first, #body) .. body
end

local function text(bytes)
   return string.pack(">s2", bytes)
end

-- options: kept, keep_alive, will = { topic, payload, qos, retain }
local function connect_packet(client, options)
   local will = options.will
   local bits = (options.kept and 0 or 2) | (will and 4 | will[3] << 3 | (will[4] and 32 or 0) or 0)
   return pack(0x10, text("MQTT") .. string.pack(">BBI2", 4, bits, options.keep_alive or 0)
      .. text(client) .. (will and text(will[1]) .. text(will[2]) or ""))
end

local function publish_packet(topic, payload, options)
   options = options or {}
   local flags = (options.again and 8 or 0) | (options.id and 2 or 0) | (options.retain and 1 or 0)
   return pack(0x30 | flags, text(topic) .. (options.id and string.pack(">I2", options.id) or "") .. payload)
end

local function subscribe_packet(id, filter, qos)
   return pack(0x82, string.pack(">I2", id) .. text(filter) .. string.char(qos))
end

local function puback(id)
   return string.pack(">BBI2", 0x40, 2, id)
end

-- ---- clients -------------------------------------------------------------------------------

local function arrive(t, client, options)
   options = options or {}
   local c = t:connect()
   c:write(connect_packet(client, options))
   c:expect_bytes(options.goes_on and "\x20\2\1\0" or "\x20\2\0\0", "CONNACK")
   return c
end

local function subscribe(c, filter, qos)
   c:write(subscribe_packet(7, filter, qos))
   c:expect_bytes("\x90\3\0\7" .. string.char(qos), "SUBACK")
end

local function nothing_more(...)
   for _, c in ipairs({ ... }) do
      c:expect_nothing()
   end
end

-- ---- messages ------------------------------------------------------------------------------

function tests.a_message_reaches_those_who_asked_for_its_topic()
   local t = test.start("mqtt.lua")
   local anna, bert, carl = arrive(t, "anna"), arrive(t, "bert"), arrive(t, "carl")
   subscribe(anna, "home/kitchen", 0)
   subscribe(bert, "home/cellar", 0)
   carl:write(publish_packet("home/kitchen", "21.5"))
   anna:expect_bytes(publish_packet("home/kitchen", "21.5"))
   nothing_more(anna, bert, carl)
end

function tests.a_message_of_qos_1_is_acknowledged_and_has_an_identifier_of_its_own()
   local t = test.start("mqtt.lua")
   local anna, bert = arrive(t, "anna"), arrive(t, "bert")
   subscribe(anna, "a", 1)
   subscribe(bert, "a", 0)
   anna:write(publish_packet("a", "x", { id = 500 }))
   anna:expect_bytes(publish_packet("a", "x", { id = 1 }))
   anna:expect_bytes(puback(500))
   bert:expect_bytes(publish_packet("a", "x"), "the less of both")
   anna:write(puback(1))
   anna:write(publish_packet("a", "y"))
   anna:expect_bytes(publish_packet("a", "y"), "a message of QoS 0 stays one")
   bert:expect_bytes(publish_packet("a", "y"))
   nothing_more(anna, bert)
end

function tests.wildcards_match_as_the_standard_says()
   local matching = {
      { "sport/#", "sport" }, { "sport/#", "sport/a/b" }, { "#", "a/b/c" }, { "+", "a" },
      { "+/b", "a/b" }, { "/+", "/a" }, { "+/+", "/a" }, { "a/+/c", "a//c" }, { "a/+", "a/" },
      { "$SYS/#", "$SYS/a" },
   }
   local not_matching = {
      { "sport/+", "sport" }, { "+", "/a" }, { "+", "a/b" }, { "a/+", "a/b/c" }, { "sport", "Sport" },
      { "#", "$SYS/a" }, { "+/a", "$SYS/a" }, { "sport/#", "sports" },
   }
   local t = test.start("mqtt.lua")
   local sender = arrive(t, "sender")
   for i, pair in ipairs(matching) do
      local c = arrive(t, "yes" .. i)
      subscribe(c, pair[1], 0)
      sender:write(publish_packet(pair[2], "m"))
      c:expect_bytes(publish_packet(pair[2], "m"), pair[1] .. " matches " .. pair[2])
   end
   for i, pair in ipairs(not_matching) do
      local c = arrive(t, "no" .. i)
      subscribe(c, pair[1], 0)
      sender:write(publish_packet(pair[2], "m"))
      c:expect_nothing(pair[1] .. " does not match " .. pair[2])
   end
end

function tests.two_filters_that_match_are_one_message_of_the_higher_qos()
   local t = test.start("mqtt.lua")
   local c = arrive(t, "c")
   subscribe(c, "a/#", 0)
   subscribe(c, "a/+", 1)
   c:write(publish_packet("a/b", "x", { id = 9 }))
   c:expect_bytes(publish_packet("a/b", "x", { id = 1 }) .. puback(9))
   c:expect_nothing()
end

function tests.who_has_unsubscribed_gets_nothing_more()
   local t = test.start("mqtt.lua")
   local c = arrive(t, "c")
   subscribe(c, "a/+", 1)
   c:write(pack(0xa2, "\0\x09" .. text("a/+") .. text("never/asked")))
   c:expect_bytes("\xb0\2\0\9")
   c:write(publish_packet("a/b", "x"))
   c:expect_nothing()
end

function tests.a_retained_message_waits_for_those_who_come()
   local t = test.start("mqtt.lua")
   local anna, bert = arrive(t, "anna"), arrive(t, "bert")
   subscribe(anna, "a/b", 1)
   anna:write(publish_packet("a/b", "old", { retain = true }))
   anna:write(publish_packet("a/b", "new", { retain = true, id = 3 }))
   anna:expect_bytes(publish_packet("a/b", "old") .. publish_packet("a/b", "new", { id = 1 }) .. puback(3))
   t:reload()
   subscribe(bert, "a/#", 1)
   bert:expect_bytes(publish_packet("a/b", "new", { retain = true, id = 1 }))
   subscribe(bert, "a/#", 0)
   bert:expect_bytes(publish_packet("a/b", "new", { retain = true }), "asked again, sent again")
   bert:write(publish_packet("a/b", "", { retain = true }))
   bert:expect_bytes(publish_packet("a/b", ""), "the empty message itself is passed on")
   subscribe(bert, "a/b", 0)
   nothing_more(bert)
end

-- ---- the end of a connection ---------------------------------------------------------------

function tests.a_last_will_is_read_when_somebody_dies()
   local t = test.start("mqtt.lua")
   local anna = arrive(t, "anna")
   subscribe(anna, "wills/#", 1)
   arrive(t, "bert", { will = { "wills/bert", "gone", 1, true } }):eof()
   anna:expect_bytes(publish_packet("wills/bert", "gone", { id = 1 }))
   subscribe(anna, "wills/+", 0)
   anna:expect_bytes(publish_packet("wills/bert", "gone", { retain = true }), "it was to be retained")
   local carl = arrive(t, "carl", { will = { "wills/carl", "gone", 0 } })
   carl:write("\x30\0")
   carl:expect_closed("malformed packet")
   anna:expect_bytes(publish_packet("wills/carl", "gone"))
end

function tests.who_leaves_politely_has_no_last_will()
   local t = test.start("mqtt.lua")
   local anna = arrive(t, "anna")
   subscribe(anna, "#", 0)
   local bert = arrive(t, "bert", { will = { "wills/bert", "gone", 0 } })
   bert:write("\xe0\0")
   bert:expect_closed("disconnect")
   anna:expect_nothing()
end

function tests.who_is_silent_for_longer_than_promised_is_gone()
   local t = test.start("mqtt.lua")
   local anna = arrive(t, "anna")
   subscribe(anna, "wills", 0)
   local bert = arrive(t, "bert", { keep_alive = 10, will = { "wills", "bert", 0 } })
   t:advance(14)
   bert:write("\xc0\0")
   bert:expect_bytes("\xd0\0", "PINGRESP")
   t:reload()
   t:advance(14)
   anna:expect_nothing("a ping counts, also across a reload")
   t:advance(3)
   bert:expect_closed("aborted")
   anna:expect_bytes(publish_packet("wills", "bert"))
   t:advance(3600)
   anna:write("\xc0\0")
   anna:expect_bytes("\xd0\0", "who promised nothing may be silent")
end

function tests.who_never_says_connect_is_let_go()
   local t = test.start("mqtt.lua")
   local c = t:connect()
   t:advance(9)
   c:write("\x10")
   t:advance(12)
   c:expect_closed("aborted")
end

-- ---- sessions ------------------------------------------------------------------------------

function tests.a_name_belongs_to_who_came_last()
   local t = test.start("mqtt.lua")
   local first = arrive(t, "anna", { will = { "wills", "first", 0 } })
   subscribe(first, "a", 0)
   local bert = arrive(t, "bert")
   subscribe(bert, "wills", 0)
   local second = arrive(t, "anna")
   first:expect_closed("taken over")
   bert:expect_bytes(publish_packet("wills", "first"))
   subscribe(second, "b", 0)
   bert:write(publish_packet("a", "x") .. publish_packet("b", "y"))
   second:expect_bytes(publish_packet("b", "y"), "a new session, which the end of the first does not end")
   second:expect_nothing()
end

function tests.what_was_not_acknowledged_is_sent_again()
   local t = test.start("mqtt.lua")
   local anna, bert = arrive(t, "anna", { kept = true }), arrive(t, "bert")
   subscribe(anna, "a", 1)
   for i = 1, 3 do
      bert:write(publish_packet("a", "n" .. i, { id = i }))
      bert:expect_bytes(puback(i))
      anna:expect_bytes(publish_packet("a", "n" .. i, { id = i }))
   end
   anna:write(puback(2))
   anna:eof()
   anna:expect_closed("eof")
   t:reload()
   anna = arrive(t, "anna", { kept = true, goes_on = true })
   anna:expect_bytes(publish_packet("a", "n1", { id = 1, again = true }))
   anna:expect_bytes(publish_packet("a", "n3", { id = 3, again = true }))
   anna:write(puback(1) .. puback(3))
   anna:write("\xe0\0")
   anna = arrive(t, "anna", { kept = true, goes_on = true })
   anna:expect_nothing()
end

function tests.messages_of_qos_1_wait_for_a_session_that_is_kept()
   local t = test.start("mqtt.lua")
   local anna, bert = arrive(t, "anna", { kept = true }), arrive(t, "bert")
   subscribe(anna, "a", 1)
   anna:eof()
   bert:write(publish_packet("a", "lost"))
   bert:write(publish_packet("a", "kept", { id = 1 }))
   t:reload()
   anna = arrive(t, "anna", { kept = true, goes_on = true })
   anna:expect_bytes(publish_packet("a", "kept", { id = 1 }), "it is sent for the first time")
   anna:expect_nothing()
   bert:write(publish_packet("a", "now"))
   anna:expect_bytes(publish_packet("a", "now"), "the subscription is still there")
   anna:eof()
   anna = arrive(t, "anna")
   bert:write(publish_packet("a", "x"))
   nothing_more(anna)
   anna:eof()
   arrive(t, "anna", { kept = true }):expect_nothing("a clean session has ended the kept one")
end

function tests.what_waits_for_a_session_has_a_limit()
   local t = test.start("mqtt.lua")
   local anna, bert = arrive(t, "anna", { kept = true }), arrive(t, "bert")
   subscribe(anna, "a", 1)
   anna:eof()
   local body = text("a") .. "\0\1" .. ("x"):rep(10000)
   local large = "\x32" .. string.char(#body & 127 | 128, #body >> 7) .. body
   for _ = 1, 120 do
      bert:write(large)
      bert:expect_bytes(puback(1))
   end
   assert(t:errors():find("too much waits for anna", 1, true))
   anna = arrive(t, "anna", { kept = true, goes_on = true })
   local came = #anna:skip() // #large
   assert(came >= 100 and came < 105, came .. " of 120 messages have waited")
end

function tests.many_clients_without_a_name_are_not_one()
   local t = test.start("mqtt.lua")
   local one, two = arrive(t, ""), arrive(t, "")
   subscribe(one, "a", 0)
   two:write(publish_packet("a", "x"))
   one:expect_bytes(publish_packet("a", "x"))
   two:expect_nothing()
end

-- ---- what is not allowed -------------------------------------------------------------------

function tests.a_packet_may_come_byte_by_byte()
   local t = test.start("mqtt.lua")
   local c = t:connect()
   local all = connect_packet("anna", {}) .. subscribe_packet(1, "a", 1)
      .. publish_packet("a", "x", { id = 2 })
   for i = 1, #all do
      c:write(all:sub(i, i))
      if i == #all - 5 then
         t:reload()
      end
   end
   c:expect_bytes("\x20\2\0\0" .. "\x90\3\0\1\1" .. publish_packet("a", "x", { id = 1 }) .. puback(2))
end

function tests.what_is_malformed_ends_the_connection()
   local hello = connect_packet("anna", {})
   local function head(level, bits)
      return text("MQTT") .. string.pack(">BBI2", level, bits, 0)
   end
   local bad = {
      ["two CONNECTs"] = hello .. hello,
      ["no CONNECT"] = publish_packet("a", "x"),
      ["another protocol"] = pack(0x10, text("HTTP") .. "\4\2\0\0" .. text("c")),
      ["flags of CONNECT"] = "\x11" .. hello:sub(2),
      ["the reserved bit"] = pack(0x10, head(4, 3) .. text("c")),
      ["a will of QoS 3"] = pack(0x10, head(4, 0x1e) .. text("c") .. text("t") .. text("m")),
      ["QoS of no will"] = pack(0x10, head(4, 0x0a) .. text("c")),
      ["a will with a wildcard"] = pack(0x10, head(4, 6) .. text("c") .. text("a/#") .. text("m")),
      ["a password without a user"] = pack(0x10, head(4, 0x42) .. text("c") .. text("p")),
      ["CONNECT that goes on"] = pack(0x10, head(4, 2) .. text("c") .. "x"),
      ["CONNECT that is too short"] = pack(0x10, head(4, 2) .. "\0\5c"),
      ["a length of five bytes"] = "\x10\xff\xff\xff\xff\x7f",
      ["a length above the limit"] = hello .. "\x30\xff\xff\x7f",
      ["types that do not exist"] = hello .. "\xf0\0",
      ["what only a server sends"] = hello .. "\x20\2\0\0",
      ["no topic"] = hello .. pack(0x30, "\0\0x"),
      ["a wildcard in a topic"] = hello .. publish_packet("a/+", "x"),
      ["a topic with NUL"] = hello .. publish_packet("a\0b", "x"),
      ["a topic that is not UTF-8"] = hello .. publish_packet("a\xff", "x"),
      ["identifier 0"] = hello .. publish_packet("a", "x", { id = 0 }),
      ["no identifier"] = hello .. pack(0x32, text("a")),
      ["QoS 0 sent again"] = hello .. publish_packet("a", "x", { again = true }),
      ["QoS 2"] = hello .. pack(0x34, text("a") .. "\0\1"),
      ["PUBACK of one byte"] = hello .. pack(0x40, "\1"),
      ["a filter of QoS 3"] = hello .. subscribe_packet(1, "a", 3),
      ["a filter that goes on after #"] = hello .. subscribe_packet(1, "#/a", 0),
      ["a filter with half a level"] = hello .. subscribe_packet(1, "a+/b", 0),
      ["an empty filter"] = hello .. subscribe_packet(1, "", 0),
      ["SUBSCRIBE 0"] = hello .. subscribe_packet(0, "a", 0),
      ["SUBSCRIBE to nothing"] = hello .. pack(0x82, "\0\1"),
      ["SUBSCRIBE without QoS"] = hello .. pack(0x82, "\0\1" .. text("a")),
      ["flags of SUBSCRIBE"] = hello .. "\x80" .. subscribe_packet(1, "a", 0):sub(2),
      ["UNSUBSCRIBE from nothing"] = hello .. pack(0xa2, "\0\1"),
      ["PINGREQ with a body"] = hello .. pack(0xc0, "x"),
      ["DISCONNECT with a body"] = hello .. pack(0xe0, "x"),
   }
   local t = test.start("mqtt.lua")
   for name, bytes in pairs(bad) do
      local c = t:connect()
      c:write(bytes)
      c:expect_closed("malformed packet", name)
   end
end

function tests.who_is_not_let_in_is_told_why()
   local t = test.start("mqtt.lua")
   local c = t:connect()
   c:write(pack(0x10, text("MQTT") .. "\5\2\0\0\0" .. text("c")))
   c:expect_bytes("\x20\2\0\1", "version 5")
   c:expect_closed("protocol version")
   c = t:connect()
   c:write(connect_packet("", { kept = true }))
   c:expect_bytes("\x20\2\0\2", "a session to be kept, and no name")
   c:expect_closed("client identifier")
end

function tests.a_burst_for_many_is_delivered_in_order()
   local t = test.start("mqtt.lua")
   local readers, burst = {}, {}
   for i = 1, 40 do
      readers[i] = arrive(t, "reader" .. i)
      subscribe(readers[i], "a", 0)
   end
   local sender = arrive(t, "sender")
   for i = 1, 400 do
      burst[i] = publish_packet("a", "n" .. i)
   end
   sender:write(table.concat(burst) .. "\xc0\0")
   for _, c in ipairs(readers) do
      c:expect_bytes(table.concat(burst))
      c:expect_nothing()
   end
   sender:expect_bytes("\xd0\0")
end

function tests.a_client_may_ask_for_a_hundred_topics()
   local t = test.start("mqtt.lua")
   local c = arrive(t, "anna")
   for i = 1, 100 do
      subscribe(c, "a/" .. i, 0)
   end
   c:write(subscribe_packet(1, "one/more", 0))
   c:expect_bytes("\x90\3\0\1\x80")
   subscribe(c, "a/1", 1)
   c:write(publish_packet("one/more", "x"))
   c:expect_nothing()
end

return tests
