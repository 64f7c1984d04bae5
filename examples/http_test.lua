-- http_test.lua: tests of http.lua; run them with `kelpie test examples`

local test = require("kelpie.test")

local tests = {}

-- Takes the answers that have come: tables with status, head (its lines) and body. `heads` says
-- which of them are answers to HEAD.
local function answers(conn, heads)
   local text, at, list = conn:skip(), 1, {}
   while at <= #text do
      local stop = text:find("\r\n\r\n", at, true) or #text
      local head, after = text:sub(at, stop + 1), stop + 4
      local status = head:match("^HTTP/1%.1 (%d%d%d) %u[^\r]+\r\n")
      assert(status, "this is no answer: " .. text:sub(at, at + 100))
      local has_body = tonumber(status) >= 200 and status ~= "204" and not (heads and heads[#list + 1])
      local length = has_body and tonumber(head:match("Content%-Length: (%d+)\r\n")) or 0
      list[#list + 1] = { status = tonumber(status), head = head, body = text:sub(after, after + length - 1) }
      assert(#list[#list].body == length, "the body is too short")
      at = after + length
   end
   return list
end

local function expect_statuses(conn, wanted, note)
   local got = {}
   for i, one in ipairs(answers(conn)) do
      got[i] = one.status
   end
   got = table.concat(got, " ")
   assert(got == wanted, ("%q gets %s, not %s"):format(note, got, wanted))
end

-- Sends bytes on a connection of their own, then its end.
local function expect(server, wanted, bytes)
   local c = server:connect()
   c:write(bytes)
   expect_statuses(c, wanted, bytes:sub(1, 100))
   return c
end

local GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
local POST = "POST /echo HTTP/1.1\r\nHost: a\r\n"
local CHUNKED = POST .. "Transfer-Encoding: chunked\r\n\r\n"

-- ---- requests that are good ------------------------------------------------------------------------

function tests.a_request_may_be_cut_anywhere()
   local server = test.start("http.lua")
   local bytes = "\r\n" .. CHUNKED .. "3;x=y\r\na\r\n\r\n0A\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n" .. GET
      .. POST .. "Content-Length: 4\r\n\r\n\r\n\r\nHEAD /no HTTP/1.1\r\nHost: a\r\n\r\n"
   for cut = 1, #bytes - 1 do
      local c = server:connect()
      c:write(bytes:sub(1, cut))
      c:write(bytes:sub(cut + 1))
      local list = answers(c, { [4] = true })
      assert(#list == 4 and list[1].body == "a\r\n0123456789" and list[2].body == "hello from kelpie\n"
         and list[3].body == "\r\n\r\n" and list[4].status == 404, "cut after byte " .. cut)
   end
end

function tests.who_may_stay_is_told_by_version_and_header()
   local server = test.start("http.lua")
   for request, stays in pairs({
      ["GET / HTTP/1.1\r\nHost: a\r\n\r\n"] = true,
      ["GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"] = false,
      ["GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n"] = false,
      ["GET / HTTP/1.1\r\nHost: a\r\nConnection: close-not\r\n\r\n"] = true,
      ["GET / HTTP/1.0\r\n\r\n"] = false,
      ["GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"] = true,
   }) do
      local c = server:connect()
      c:write(request .. GET)
      expect_statuses(c, stays and "200 200" or "200", request)
      if not stays then
         c:expect_closed("done")
      end
   end
end

function tests.head_is_get_without_a_body()
   local c = test.start("http.lua"):connect()
   c:write("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
   local list = answers(c, { true })
   assert(list[1].status == 200 and list[1].head:find("Content-Length: 18\r\n", 1, true))
   assert(list[1].head:find("Date: %u%l%l, %d%d %u%l%l %d%d%d%d %d%d:%d%d:%d%d GMT\r\n"))
end

function tests.methods_and_paths_are_answered_by_the_book()
   local server = test.start("http.lua")
   local c = expect(server, "404", "GET /none HTTP/1.1\r\nHost: a\r\n\r\n")
   c:write("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n")
   local list = answers(c)
   assert(list[1].status == 405 and list[1].head:find("Allow: GET, HEAD, OPTIONS\r\n", 1, true))
   c:write("OPTIONS /echo HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
   list = answers(c)
   assert(list[1].status == 204 and list[1].head:find("Allow: OPTIONS, POST\r\n", 1, true))
   assert(list[2].status == 204 and not list[2].head:find("Content%-"))
   expect(server, "411", "POST /echo HTTP/1.1\r\nHost: a\r\n\r\n")
   expect(server, "200", "GET http://host.example:80/visits?a=b HTTP/1.1\r\nHost: host.example\r\n\r\n")
   expect(server, "200", "GET HTTP://host.example HTTP/1.1\r\nHost: host.example\r\n\r\n")
   expect(server, "200", "GET /%76isits HTTP/1.1\r\nHost: a\r\n\r\n")
end

function tests.permission_to_send_a_body_is_given_when_it_is_wanted()
   local server = test.start("http.lua")
   local expects = "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"
   local c = expect(server, "100", POST .. expects)
   c:write("ok")
   expect_statuses(c, "200", "the body")
   expect(server, "200", POST .. expects .. "ok") -- it is there already
   expect(server, "404", "POST /no HTTP/1.1\r\nHost: a\r\n" .. expects):expect_closed("done")
   expect(server, "405", "POST / HTTP/1.1\r\nHost: a\r\n" .. expects):expect_closed("done")
   expect(server, "417", POST .. "Content-Length: 2\r\nExpect: miracles\r\n\r\n"):expect_closed("done")
end

-- ---- requests that are not -------------------------------------------------------------------------

function tests.what_is_no_request_is_answered_once_and_closed()
   local server = test.start("http.lua")
   for bytes, status in pairs({
      ["GET\r\n\r\n"] = 400,
      ["GET / HTTP/1.1\r\n\r\n"] = 400,
      ["GET  / HTTP/1.1\r\nHost: a\r\n\r\n"] = 400,
      ["GET / / HTTP/1.1\r\nHost: a\r\n\r\n"] = 400,
      ["GET / HTTP/1.1 \r\nHost: a\r\n\r\n"] = 400,
      ["GET / HTTQ/1.1\r\nHost: a\r\n\r\n"] = 400,
      ["GET none HTTP/1.1\r\nHost: a\r\n\r\n"] = 400,
      ["GET * HTTP/1.1\r\nHost: a\r\n\r\n"] = 400,
      ["GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"] = 400,
      ["GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"] = 400,
      ["GET / HTTP/1.1\r\nHost: a b\r\n\r\n"] = 400,
      ["GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"] = 400,
      ["GET / HTTP/1.1\r\nHost : a\r\n\r\n"] = 400,
      ["GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"] = 400,
      ["GET / HTTP/1.1\r\nHost: a\0\r\n\r\n"] = 400,
      ["GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"] = 400,
      ["GET / HTTP/1.1\r\nno colon\r\nHost: a\r\n\r\n"] = 400,
      ["GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"] = 400,
      ["GET / HTTP/1.1\nHost: a\n\n"] = 400,
      ["\1\2\3\r\n\r\n"] = 400,
      ["BREW / HTTP/1.1\r\nHost: a\r\n\r\n"] = 501,
      ["get / HTTP/1.1\r\nHost: a\r\n\r\n"] = 501,
      ["GET / HTTP/2.0\r\nHost: a\r\n\r\n"] = 505,
      ["GET /" .. ("x"):rep(5000) .. " HTTP/1.1\r\nHost: a\r\n\r\n"] = 414,
      ["GET /" .. ("x"):rep(20000)] = 414,
      ["GET / HTTP/1.1\r\nHost: a\r\nX: " .. ("x"):rep(9000) .. "\r\n\r\n"] = 431,
      ["GET / HTTP/1.1\r\n" .. ("X: y\r\n"):rep(4000)] = 431,
      -- bodies whose length is doubtful: so smuggling begins
      [POST .. "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"] = 400,
      [POST .. "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"] = 400,
      [POST .. "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx"] = 400,
      [POST .. "Content-Length: 1, 1\r\n\r\nx"] = 400,
      [POST .. "Content-Length: -1\r\n\r\n"] = 400,
      [POST .. "Content-Length: +1\r\n\r\nx"] = 400,
      [POST .. "Content-Length: 0x1\r\n\r\nx"] = 400,
      [POST .. "Content-Length: \r\n\r\nx"] = 400,
      [POST .. "Content-Length: 262145\r\n\r\n"] = 413,
      [POST .. "Content-Length: 99999999999999999999\r\n\r\n"] = 413,
      ["POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"] = 400,
      [POST .. "Transfer-Encoding: gzip\r\n\r\n"] = 501,
      [POST .. "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"] = 501,
      [POST .. "Transfer-Encoding:\vchunked\r\n\r\n0\r\n\r\n"] = 400,
      [CHUNKED .. "xyz\r\n"] = 400,
      [CHUNKED .. "-1\r\n"] = 400,
      [CHUNKED .. "0x3\r\nabc\r\n"] = 400,
      [CHUNKED .. "3\nabc\r\n0\r\n\r\n"] = 400,
      [CHUNKED .. "3\r\nabcd\r\n0\r\n\r\n"] = 400,
      [CHUNKED .. "ffffffffffffffff\r\n"] = 413,
      [CHUNKED .. "40001\r\n"] = 413,
      [CHUNKED .. "20000\r\n" .. ("x"):rep(0x20000) .. "\r\n20001\r\n"] = 413,
   }) do
      local c = server:connect()
      c:write(bytes .. GET)
      expect_statuses(c, tostring(status), bytes:sub(1, 100))
      c:expect_closed("done")
   end
   local c = expect(server, "400", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n") -- it is whole, so it goes on
   c:write(GET)
   expect_statuses(c, "200", "the next one")
end

function tests.half_a_request_is_waited_for_but_not_for_ever()
   local server = test.start("http.lua")
   for _, bytes in ipairs({ "GET / HT", "GET / HTTP/1.1\r\nHost: a\r\n", CHUNKED .. "3\r\na",
                            POST .. "Content-Length: 10\r\n\r\nhalf" }) do
      local c = expect(server, "", bytes)
      server:advance(9.9)
      c:expect_nothing()
      server:advance(0.2)
      expect_statuses(c, "408", bytes)
      c:expect_closed("done")
      c = expect(server, "", bytes)
      c:eof()
      expect_statuses(c, "400", bytes)
   end
   local c = expect(server, "200", GET)
   server:advance(61)
   c:expect_closed("idle timeout")
end

-- ---- in between --------------------------------------------------------------------------------------

function tests.a_reload_in_the_middle_of_a_body_is_not_noticed()
   local server = test.start("http.lua")
   local c = expect(server, "200", "GET /visits HTTP/1.1\r\nHost: a\r\n\r\n")
   c:write(POST .. "Content-Length: 4\r\n\r\nab")
   server:reload()
   c:write("cd")
   c:write("GET /visits HTTP/1.1\r\nHost: a\r\n\r\n")
   local list = answers(c)
   assert(list[1].body == "abcd" and list[2].body == "2 visits, generation 2\n", list[2].body)
end

function tests.who_reads_late_gets_every_answer()
   local server = test.start("http.lua")
   local c = server:connect()
   local body = ("x"):rep(200000)
   c:pause()
   for i = 1, 40 do
      c:write(GET:rep(200) .. POST .. "Content-Length: 4\r\n\r\n" .. 1000 + i)
   end
   server:reload()
   c:resume()
   local list = answers(c)
   assert(#list == 40 * 201)
   for i = 1, 40 do
      assert(list[i * 201].body == tostring(1000 + i))
   end
   for i = 1, 4 do -- bodies are read after each other, so only the first answers are in the way
      c:pause()
      c:write(POST .. "Content-Length: 200000\r\n\r\n" .. body)
      server:advance(1)
      c:resume()
      assert(answers(c)[1].body == body, "body " .. i)
   end
end

-- Requests with a few bytes changed: whatever comes of them, the server goes on.
function tests.damaged_requests_never_raise()
   local text = CHUNKED .. "3\r\nabc\r\n0\r\n\r\n" .. "GET /static/%70age.html HTTP/1.1\r\nHost: b\r\n"
      .. "Content-Length: 2\r\n\r\nok" .. "OPTIONS * HTTP/1.1\r\nHost: c\r\nExpect: 100-continue\r\n\r\n"
   local pool = "\r\n :;%/.,0123456789AZaz\0\1\127\255"
   local server = test.start("http.lua")
   math.randomseed(1)
   for _ = 1, 1000 do
      local damaged = text
      for _ = 1, math.random(4) do
         local at, with = math.random(#damaged), math.random(#pool)
         damaged = damaged:sub(1, at - 1) .. pool:sub(with, with) .. damaged:sub(at + math.random(0, 2))
      end
      local c = server:connect()
      c:write(damaged)
      if not c:skip():find("Connection: close", 1, true) then
         c:eof()
      end
      c:expect_closed()
   end
   expect(server, "200", GET)
end

return tests
