-- http/request.lua: requests are read as RFC 9112 has them, and whatever is doubtful is refused
--
-- A reader has .conn, .text, where it is in it (.at), and .out and .size, answers to write. What is
-- missing is waited for in the middle of reading, by `more`. Whoever takes a request apart in
-- another way than the server behind him lets one request be smuggled in another; so two lengths,
-- a length in two ways, or a line with half an end are errors.

local kelpie = require("kelpie")

local MAX_HEAD, MAX_TARGET, MAX_BODY = 8192, 4096, 256 * 1024
local PATIENCE = 10 -- seconds for each part of a request

local METHODS = { GET = true, HEAD = true, POST = true, PUT = true, DELETE = true, PATCH = true,
                  OPTIONS = true }
local TOKEN = "[%w!#$%%&'*+.^_`|~-]+"
local FIRST_LINE = "^(" .. TOKEN .. ") ([\33-\126]+) HTTP/(%d)%.(%d)$"
local HEADER = "^(" .. TOKEN .. "):([\t\32-\126\128-\255]*)$"

local request = {}

function request.reader(conn, text)
   return { conn = conn, text = text, at = 1, out = {}, size = 0 }
end

-- Writes all answers so far. False: they cannot be written.
function request.flush(reader)
   local text = table.concat(reader.out)
   reader.out, reader.size = {}, 0
   return text == "" or reader.conn:write(text)
end

-- Waits for more bytes. False: there are none.
local function more(reader)
   request.flush(reader)
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
      elseif reader.text:find("[^\r]\n", reader.at) then
         return nil, 400
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

-- Reads the body, if there is one, into it.body. Returns nothing, or a status.
function request.read_body(reader, it)
   local status
   if it.expects and reader.at > #reader.text then -- who sends it already needs no permission
      reader.out[#reader.out + 1] = "HTTP/1.1 100 Continue\r\n\r\n"
   end
   if it.length == "chunked" then
      it.body, status = read_chunks(reader)
   elseif it.length then
      it.body, status = take(reader, it.length)
   end
   return status
end

-- How long the body is: a number, "chunked" or, without one, nil; or nil and a status.
local function length_of(headers, is_old)
   local length, coding = headers["content-length"], headers["transfer-encoding"]
   if coding then
      if length or is_old then
         return nil, 400 -- two lengths: somebody smuggles
      end
      return coding:lower() == "chunked" and "chunked" or nil, 501
   elseif not length then
      return nil
   elseif not length:find("^%d+$") then
      return nil, 400
   elseif #length > 15 or tonumber(length) > MAX_BODY then
      return nil, 413
   end
   return math.tointeger(tonumber(length))
end

local ONCE = { host = true, ["content-length"] = true, ["transfer-encoding"] = true }

-- Header fields by their names in small letters. Nil: a line is none.
local function parse_headers(lines)
   local headers = {}
   for i = 2, #lines do
      local name, value = lines[i]:match(HEADER)
      name = name and name:lower()
      if not name or (ONCE[name] and headers[name]) then
         return nil
      end
      value = kelpie.trim(value)
      headers[name] = headers[name] and headers[name] .. ", " .. value or value
   end
   return headers
end

-- Reads a request without its body: method, target (a path and a query, or "*"), headers, length,
-- keep_alive, expects (permission to send the body), is_old (HTTP/1.0). Nil and a status when it
-- is none.
function request.read_head(reader)
   local head, status = up_to(reader, "\r\n\r\n", MAX_HEAD, 431)
   if not head then
      local first = reader.text:sub(reader.at, reader.at + MAX_TARGET)
      return nil, status == 431 and not first:find("\r\n", 1, true) and 414 or status
   end
   local lines = kelpie.split(head, "\r\n")
   local method, target, major, minor = lines[1]:match(FIRST_LINE)
   if not method then
      return nil, #lines[1] > MAX_TARGET and 414 or 400
   elseif major ~= "1" then
      return nil, 505
   elseif not METHODS[method] then
      return nil, 501
   elseif #target > MAX_TARGET then
      return nil, 414
   end
   local is_old = minor == "0"
   target = target:match("^[Hh][Tt][Tt][Pp]://[^/?#]+(.*)$") or target -- as if to a proxy: it must be taken
   target = target:find("^%?") and "/" .. target or target == "" and "/" or target
   local headers = parse_headers(lines)
   local host = headers and (headers.host or (is_old and ""))
   if not host or host:find("[^%w%%:.%[%]_~!$&'()*+,;=-]") then
      return nil, 400
   elseif target:sub(1, 1) ~= "/" and not (target == "*" and method == "OPTIONS") then
      return nil, 400
   end
   local length, problem = length_of(headers, is_old)
   if not length and problem then
      return nil, problem
   end
   local expected = not is_old and headers.expect
   if expected and expected:lower() ~= "100-continue" then
      return nil, 417
   end
   local wishes = "," .. (headers.connection or ""):lower():gsub("%s", "") .. ","
   local keep_alive = not wishes:find(",close,", 1, true)
      and (not is_old or wishes:find(",keep-alive,", 1, true) ~= nil)
   return { method = method, target = target, headers = headers, is_old = is_old, length = length,
            expects = expected and length and true or false, keep_alive = keep_alive }
end

return request
