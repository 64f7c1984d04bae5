-- http.lua: a small web server, HTTP/1.1 with keep-alive, pipelining and chunked bodies
--
--    kelpie run -p 8000 examples/http.lua
--    curl -i http://127.0.0.1:8000/           curl -d "some text" http://127.0.0.1:8000/echo
--    wrk -t1 -c20 -d5s http://127.0.0.1:8000/
--
-- Files of the folder `www` (in the folder where kelpie was started) are under /static/, if the
-- operator lets scripts read files: kelpie run --allow io -p 8000 examples/http.lua
--
-- A request is read in sequence: what is missing is waited for in the middle of reading. Between
-- two requests nothing is suspended, so a reload takes effect at once; and what a client has sent
-- ahead waits in conn.data when it does not read its answers.
--
--    http/request.lua   requests from bytes     http/answer.lua   bytes from answers
--    http/files.lua     the folder

local answer = require("http.answer")
local files = require("http.files")
local kelpie = require("kelpie")
local request = require("http.request")

local BATCH = 64 * 1024 -- bytes of answers that are written together, about

-- ---- what there is to see: routes[path][method](it) -> body, type; or a status --------------------

local visits = kelpie.keep("visits", { n = 0 })
local routes = {}

routes["/"] = { GET = function()
   return "hello from kelpie\n"
end }

routes["/visits"] = { GET = function()
   visits.n = visits.n + 1
   return visits.n .. " visits, generation " .. kelpie.generation .. "\n"
end }

routes["/echo"] = { POST = function(it)
   return it.body, it.headers["content-type"]
end }

-- ---- finding it ---------------------------------------------------------------------------------

local function unescape(path)
   local is_bad = path:gsub("%%%x%x", ""):find("%", 1, true)
   return not is_bad and path:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end) or nil
end

local function allowed(route)
   local names = { "OPTIONS" }
   for name in pairs(route) do
      names[#names + 1] = name
   end
   if route.GET then
      names[#names + 1] = "HEAD"
   end
   table.sort(names)
   return "Allow: " .. table.concat(names, ", ") .. "\r\n"
end

-- The function that serves a request; or nil, a status and header lines.
local function find_route(it)
   local path = unescape(it.target:match("^[^?#]*"))
   if not path then
      return nil, 400
   end
   local route = routes[path]
   if path:sub(1, 8) == "/static/" then
      route = { GET = function() return files.read(path:sub(9)) end }
   elseif path == "*" then
      route = {}
   end
   if not route then
      return nil, 404
   elseif it.method == "OPTIONS" then
      return nil, 204, allowed(route)
   end
   local serve = route[it.method == "HEAD" and "GET" or it.method]
   if not serve then
      return nil, 405, allowed(route)
   elseif (it.method == "POST" or it.method == "PUT") and not it.length then
      return nil, 411
   end
   return serve
end

local function serve(it, found, status, extra)
   if status == 204 then
      return answer.make(it, 204, "", nil, extra)
   elseif status then
      return answer.problem(it, status, extra)
   end
   local body, kind = found(it)
   if type(body) == "number" then
      return answer.problem(it, body)
   end
   return answer.make(it, 200, body, kind)
end

-- Answers the next request. Returns whether another one may follow.
local function answer_next(reader)
   local it, status = request.read_head(reader)
   local text, extra, found
   if it then
      found, status, extra = find_route(it)
      if status and it.expects then -- its body is not wanted, and may come or not
         it.keep_alive = false
      else
         local problem = request.read_body(reader, it)
         if problem then
            it, status = nil, problem
         end
      end
   end
   text = it and serve(it, found, status, extra) or answer.problem(nil, status)
   reader.out[#reader.out + 1], reader.size = text, reader.size + #text
   return it and it.keep_alive
end

-- ---- the connection -------------------------------------------------------------------------

local handlers = { framing = "raw" }

function handlers.on_connect(conn)
   conn:set_timeout(60)
end

function handlers.on_message(conn, chunk)
   local reader = request.reader(conn, chunk)
   local is_open = true
   while is_open do
      reader.at = reader.text:match("^[\r\n]*()", reader.at) -- empty lines before a request
      if reader.at > #reader.text then
         break
      end
      is_open = answer_next(reader)
      if is_open and reader.size > BATCH then
         is_open = request.flush(reader)
         if is_open and not conn:has_room() then
            conn:pause()
            conn.data.held = reader.text:sub(reader.at)
            return
         end
      end
   end
   if not request.flush(reader) or not is_open then
      conn:close("done")
   end
end

function handlers.on_drain(conn)
   local held = conn.data.held
   if held then
      conn.data.held = nil
      conn:resume()
      handlers.on_message(conn, held)
   end
end

return handlers
