-- http/answer.lua: answers, as text

local date, time = os.date, os.time

local answer = {}

local REASONS = {
   [200] = "OK", [204] = "No Content", [400] = "Bad Request", [404] = "Not Found",
   [405] = "Method Not Allowed", [408] = "Request Timeout", [411] = "Length Required",
   [413] = "Content Too Large", [414] = "URI Too Long", [417] = "Expectation Failed",
   [431] = "Request Header Fields Too Large", [501] = "Not Implemented",
   [505] = "HTTP Version Not Supported",
}

local stamp, stamp_second

local function date_line()
   local now = time()
   if now ~= stamp_second then
      stamp, stamp_second = date("!Date: %a, %d %b %Y %H:%M:%S GMT\r\n", now), now
   end
   return stamp
end

-- Of HTTP/1.1 a connection stays open unless somebody says otherwise, of HTTP/1.0 it does not.
local function connection_line(request)
   if not request or not request.keep_alive then
      return "Connection: close\r\n"
   end
   return request.is_old and "Connection: keep-alive\r\n" or ""
end

-- One answer to a request, which is nil when it could not be read. extra: more header lines. What
-- HEAD gets tells the length of what GET would get.
function answer.make(request, status, body, kind, extra)
   local content = status == 204 and "" or "Content-Type: " .. (kind or "text/plain")
      .. "\r\nContent-Length: " .. #body .. "\r\n"
   return "HTTP/1.1 " .. status .. " " .. REASONS[status] .. "\r\n" .. date_line() .. content .. (extra or "")
      .. connection_line(request) .. "\r\n" .. (request and request.method == "HEAD" and "" or body)
end

function answer.problem(request, status, extra)
   return answer.make(request, status, status .. " " .. REASONS[status] .. "\n", nil, extra)
end

return answer
