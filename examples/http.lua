-- http.lua: a small web server, HTTP/1.1 with keep-alive, pipelining and chunked bodies
--
--    kelpie run -p 8000 examples/http.lua
--    curl -i http://127.0.0.1:8000/           curl -d "some text" http://127.0.0.1:8000/echo
--    wrk -t1 -c20 -d5s http://127.0.0.1:8000/
--
-- Files of the folder `www` (in the folder where kelpie was started) are under /static/, if the
-- operator lets scripts read files: kelpie run --allow io -p 8000 examples/http.lua
--
-- A request is read in sequence: what is missing is waited for in the middle of reading, by
-- `more`. Between two requests nothing is suspended, so a reload takes effect at once.

local kelpie = require("kelpie")
local date, time = os.date, os.time

local ROOT = "www"
local MAX_HEAD, MAX_BODY, MAX_FILE = 8192, 256 * 1024, 512 * 1024
local PATIENCE = 10 -- seconds for each part of a request

local REASONS = {
   [200] = "OK", [400] = "Bad Request", [404] = "Not Found", [405] = "Method Not Allowed",
   [408] = "Request Timeout", [411] = "Length Required", [413] = "Content Too Large",
   [417] = "Expectation Failed", [431] = "Request Header Fields Too Large",
   [501] = "Not Implemented", [505] = "HTTP Version Not Supported",
}
local METHODS = { GET = true, HEAD = true, POST = true, PUT = true, DELETE = true, PATCH = true }
local TYPES = { html = "text/html", css = "text/css", js = "text/javascript", json = "application/json",
                png = "image/png" }

-- ---- what there is to see: routes[path][method](request) -> body, type; or status, headers ------

local visits = kelpie.keep("visits", { n = 0 })
local routes = {}

routes["/"] = { GET = function()
   return "hello from kelpie\n"
end }

routes["/visits"] = { GET = function()
   visits.n = visits.n + 1
   return visits.n .. " visits, generation " .. kelpie.generation .. "\n"
end }

routes["/echo"] = { POST = function(request)
   return request.body, request.headers["content-type"]
end }

-- No part of a path may begin with a dot, or have any byte that a file system could take amiss.
-- (Symbolic links in the folder are followed: who puts them there means it.)
local function file(path)
   for part in (path .. "/"):gmatch("(.-)/") do
      if not part:find("^[%w_-][%w_.-]*$") then
         return 404
      end
   end
   local io = _G.io -- only there with --allow io
   local handle = io and io.open(ROOT .. "/" .. path, "rb")
   if not handle then
      return 404
   end
   local bytes, why = handle:read(MAX_FILE + 1) -- nil for an empty file; a folder also has a why
   handle:close()
   if why or (bytes and #bytes > MAX_FILE) then
      return 404
   end
   return bytes or "", TYPES[path:match("%.(%w+)$") or ""] or "application/octet-stream"
end

-- ---- answers --------------------------------------------------------------------------------

local stamp, stamp_second

local function date_line()
   local now = time()
   if now ~= stamp_second then
      stamp, stamp_second = date("!Date: %a, %d %b %Y %H:%M:%S GMT\r\n", now), now
   end
   return stamp
end

-- One answer; request is nil when it could not be read.
local function answer(request, status, body, kind, extra)
   local is_last = not request or not request.keep_alive
   return "HTTP/1.1 " .. status .. " " .. REASONS[status] .. "\r\n" .. date_line()
      .. "Content-Type: " .. (kind or "text/plain") .. "\r\nContent-Length: " .. #body .. "\r\n"
      .. (extra or "") .. (is_last and "Connection: close\r\n\r\n" or
         request.is_old and "Connection: keep-alive\r\n\r\n" or "\r\n")
      .. ((request and request.method == "HEAD") and "" or body)
end

local function problem(request, status, extra)
   return answer(request, status, status .. " " .. REASONS[status] .. "\n", nil, extra)
end

local function unescape(path)
   local is_bad = path:gsub("%%%x%x", ""):find("%", 1, true)
   return not is_bad and path:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end) or nil
end

local function serve(request)
   local path = unescape(request.target:match("^[^?#]*"))
   if not path then
      return problem(request, 400)
   end
   local route = routes[path]
   if not route and path:sub(1, 8) == "/static/" then
      route = { GET = function() return file(path:sub(9)) end }
   end
   if not route then
      return problem(request, 404)
   end
   local method = request.method == "HEAD" and "GET" or request.method
   if not route[method] then
      local allowed = {}
      for name in pairs(route) do
         allowed[#allowed + 1] = name == "GET" and "GET, HEAD" or name
      end
      return problem(request, 405, "Allow: " .. table.concat(allowed, ", ") .. "\r\n")
   elseif method == "POST" and not request.body then
      return problem(request, 411)
   end
   local body, kind = route[method](request)
   if type(body) == "number" then
      return problem(request, body)
   end
   return answer(request, 200, body, kind)
end

-- ---- reading: RFC 9112. A reader has .text, where it is (.at), and .out, answers to write -------

-- Waits for more bytes; before that, all answers so far are sent. False: there are none.
local function more(reader)
   reader.conn:write(table.concat(reader.out))
   reader.out = {}
   local chunk, _, code = reader.conn:receive(nil, PATIENCE)
   if not chunk then
      reader.status = code == "timeout" and 408 or 400
      return false
   end
   reader.text, reader.at = reader.text:sub(reader.at) .. chunk, 1
   return true
end

-- The text up to a mark, without it. Nil and a status: none within `limit` bytes.
local function up_to(reader, mark, limit, status)
   while true do
      local from, to = reader.text:find(mark, reader.at, true)
      if (from or #reader.text) - reader.at > limit then
         return nil, status
      elseif from then
         local found = reader.text:sub(reader.at, from - 1)
         reader.at = to + 1
         return found
      elseif not more(reader) then
         return nil, reader.status
      end
   end
end

-- n bytes; they are collected in pieces, so that a large body is not copied again and again.
local function take(reader, n)
   local pieces, have = {}, 0
   while true do
      local piece = reader.text:sub(reader.at, reader.at + n - have - 1)
      pieces[#pieces + 1], have, reader.at = piece, have + #piece, reader.at + #piece
      if have == n then
         return table.concat(pieces)
      elseif not more(reader) then
         return nil, reader.status
      end
   end
end

local function read_chunks(reader)
   local pieces, total = {}, 0
   while true do
      local line, status = up_to(reader, "\r\n", 256, 400)
      if not line then
         return nil, status
      end
      local hex = line:match("^(%x+)[ \t]*$") or line:match("^(%x+)[ \t]*;[^%c]*$")
      if not hex then
         return nil, 400
      end
      local size = #hex <= 8 and tonumber(hex, 16) or math.huge
      total = total + size
      if total > MAX_BODY then
         return nil, 413
      elseif size == 0 then
         break
      end
      local piece, why = take(reader, size + 2)
      if not piece then
         return nil, why
      elseif piece:sub(-2) ~= "\r\n" then
         return nil, 400
      end
      pieces[#pieces + 1] = piece:sub(1, -3)
   end
   local left = MAX_HEAD
   repeat -- trailers, which nobody reads
      local line, status = up_to(reader, "\r\n", left, 431)
      if not line then
         return nil, status
      end
      left = left - #line - 2
   until line == ""
   return table.concat(pieces)
end

local function read_body(reader, request)
   local headers = request.headers
   local length, coding = headers["content-length"], headers["transfer-encoding"]
   if coding then
      if length or request.is_old then
         return 400 -- two lengths: somebody smuggles
      elseif coding:lower() ~= "chunked" then
         return 501
      end
   elseif length and (not length:find("^%d+$")) then
      return 400
   elseif length and (#length > 15 or tonumber(length) > MAX_BODY) then
      return 413
   end
   local expected = headers.expect
   if expected and expected:lower() ~= "100-continue" then
      return 417
   elseif expected and (coding or length) then
      reader.out[#reader.out + 1] = "HTTP/1.1 100 Continue\r\n\r\n"
   end
   local status
   if coding then
      request.body, status = read_chunks(reader)
   elseif length then
      request.body, status = take(reader, math.tointeger(tonumber(length)))
   end
   return status
end

local ONCE = { host = true, ["content-length"] = true, ["transfer-encoding"] = true }

-- One request with its body; nil and a status when it is not one.
local function read_request(reader)
   local head, status = up_to(reader, "\r\n\r\n", MAX_HEAD, 431)
   if not head then
      return nil, status
   end
   local first = head:match("^[^\r\n]*")
   local method, target, major, minor = first:match("^([%w!#$&'*+.^_`|~-]+) (/%S*) HTTP/(%d)%.(%d)$")
   if not method then
      method, target, major, minor = first:match("^(%u+) (%*) HTTP/(%d)%.(%d)$")
   end
   if not method or target:find("[^\33-\126]") then
      return nil, 400
   elseif major ~= "1" then
      return nil, 505
   elseif not METHODS[method] then
      return nil, 501
   end
   local headers = {}
   for line in head:sub(#first + 3):gmatch("[^\n]+") do
      local name, value = line:match("^([%w!#$%%&'*+.^_`|~-]+):(.*)$")
      name, value = name and name:lower(), kelpie.trim(value or "")
      if not name or value:find("[^\t\32-\126\128-\255]") or (ONCE[name] and headers[name]) then
         return nil, 400
      end
      headers[name] = headers[name] and headers[name] .. ", " .. value or value
   end
   local request = { method = method, target = target, headers = headers, is_old = minor == "0" }
   if not request.is_old and not headers.host then
      return nil, 400
   end
   local wish = (headers.connection or ""):lower()
   request.keep_alive = request.is_old and wish:find("keep-alive", 1, true) ~= nil
      or not request.is_old and not wish:find("close", 1, true)
   status = read_body(reader, request)
   if status then
      return nil, status
   end
   return request
end

-- ---- the connection -------------------------------------------------------------------------

local handlers = { framing = "raw" }

function handlers.on_connect(conn)
   conn:set_timeout(60)
end

function handlers.on_message(conn, chunk)
   local reader = { conn = conn, text = chunk, at = 1, out = {} }
   local is_open = true
   while is_open do
      reader.at = reader.text:match("^[\r\n]*()", reader.at) -- empty lines before a request
      if reader.at > #reader.text then
         break
      end
      local request, status = read_request(reader)
      is_open = request and request.keep_alive
      reader.out[#reader.out + 1] = request and serve(request) or problem(nil, status)
      if #reader.out >= 32 or not is_open then
         is_open = conn:write(table.concat(reader.out)) and is_open
         reader.out = {}
      end
   end
   if is_open then
      conn:write(table.concat(reader.out))
   else
      conn:close("done")
   end
end

return handlers
