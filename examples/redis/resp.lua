-- redis/resp.lua: RESP2, the protocol of Redis: answers are made, and commands cut out of the bytes
--
-- No connection is needed for it, and nothing is kept here: a command that has come in part is
-- in the tables of the caller.

local byte, find, sub, concat = string.byte, string.find, string.sub, table.concat

local MAX_REQUEST = 512 * 1024 -- bytes of all arguments together
local MAX_ARGS = 16384
local MAX_INLINE = 16 * 1024

local resp = {}

-- ---- answers --------------------------------------------------------------------------------

function resp.bulk(text)
   return text and "$" .. #text .. "\r\n" .. text .. "\r\n" or "$-1\r\n"
end

function resp.integer(n)
   return ":" .. n .. "\r\n"
end

function resp.array(parts) -- of answers
   return "*" .. #parts .. "\r\n" .. concat(parts)
end

function resp.wrong_number(name)
   return "-ERR wrong number of arguments for '" .. name:lower() .. "' command\r\n"
end

-- A text of a client inside an error: on one line, and not longer than need be.
function resp.quoted(text)
   return "'" .. sub(text, 1, 64):gsub("%c", " ") .. "'"
end

-- ---- commands -------------------------------------------------------------------------------

-- An integer as Redis takes it: no spaces, no fraction, 64 bits.
function resp.to_integer(text)
   return find(text, "^%-?%d+$") and #text <= 20 and math.tointeger(tonumber(text)) or nil
end

-- The number up to the end of the line, and the place after it. nil: the line is not all there
-- yet; false: it is no number.
local function read_number(text, at)
   local digit, cr, lf = byte(text, at, at + 2)
   if cr == 13 and lf == 10 and digit >= 48 and digit <= 57 then
      return digit - 48, at + 3
   end
   local stop = find(text, "\r\n", at, true)
   if not stop then
      if #text - at > 24 then
         return false
      end
      return nil
   end
   return resp.to_integer(sub(text, at, stop - 1)) or false, stop + 2
end

local function words(line)
   local args, at = {}, find(line, "%S")
   while at do
      local quote = sub(line, at, at)
      local stop
      if quote == '"' or quote == "'" then
         at = at + 1
         stop = find(line, quote, at, true)
         if not stop then
            return nil, "unbalanced quotes in request"
         end
      else
         stop = find(line, "%s", at) or #line + 1
      end
      args[#args + 1] = sub(line, at, stop - 1)
      at = find(line, "%S", stop + 1)
   end
   return args
end

-- Reads one command at `at`; state.args and state.left tell how far that has come. Returns
-- true and the place after it; false, the place where more is needed, and how many bytes
-- that will be at least; or nil and what is wrong.
function resp.read_command(state, text, at)
   if not state.args then
      if byte(text, at) ~= 42 then -- "*"
         local stop = find(text, "\n", at, true)
         if (stop or #text) - at > MAX_INLINE then
            return nil, "too big inline request"
         elseif not stop then
            return false, at, #text - at + 2
         end
         local args, problem = words(sub(text, at, stop - 1))
         state.args = args
         return args and true, args and stop + 1 or problem
      end
      local n, after = read_number(text, at + 1)
      if n == nil then
         return false, at, #text - at + 2
      elseif not n or n > MAX_ARGS then
         return nil, "invalid multibulk length"
      end
      state.args, state.left, state.size, at = {}, n, 0, after
   end
   local args = state.args
   while state.left > 0 do
      local mark = byte(text, at)
      if mark and mark ~= 36 then -- "$"
         return nil, "expected '$', got " .. resp.quoted(string.char(mark))
      end
      local len, from = nil, nil
      if mark then
         len, from = read_number(text, at + 1)
      end
      if len == nil then
         return false, at, #text - at + 2
      elseif not len or len < 0 or state.size + len > MAX_REQUEST then
         return nil, "invalid bulk length"
      elseif #text < from + len + 1 then
         return false, at, from + len + 2 - at
      end
      args[#args + 1] = sub(text, from, from + len - 1)
      state.size, state.left, at = state.size + len, state.left - 1, from + len + 2
   end
   return true, at
end

-- Puts what has come behind what was left over, once there is enough of it to go on.
function resp.join(data, chunk)
   local rest = data.rest
   if not rest then
      return chunk
   end
   rest[#rest + 1] = chunk
   data.have = data.have + #chunk
   if data.have < data.need then
      return nil
   end
   data.rest = nil
   return concat(rest)
end

return resp
