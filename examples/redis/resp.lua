-- redis/resp.lua: RESP2, the protocol of Redis: answers are made, and commands cut out of the bytes
--
-- No connection is needed for it, and nothing is kept here: a long command that has come in part
-- is in a table of the caller. Nearly every command has one to three short words, so that is what
-- `read` does by itself, with two calls of a function of `string` for each word; the rest is for
-- the others. Sizes that are often written are looked up.

local inline = require("redis.inline")

local byte, find, match, sub, concat = string.byte, string.find, string.match, string.sub, table.concat

local MAX_BYTES = 512 * 1024 -- of all words of a command together
local MAX_WORDS = 16384
local MAX_INLINE = 64 * 1024

local resp = {}

-- ---- answers --------------------------------------------------------------------------------

local sizes, integers = {}, {}
for n = 0, 511 do
   sizes[n], integers[n] = "$" .. n .. "\r\n", ":" .. n .. "\r\n"
end

function resp.bulk(text)
   return text and (sizes[#text] or "$" .. #text .. "\r\n") .. text .. "\r\n" or "$-1\r\n"
end

function resp.integer(n)
   return integers[n] or ":" .. n .. "\r\n"
end

function resp.array(parts) -- of answers
   return "*" .. #parts .. "\r\n" .. concat(parts)
end

function resp.wrong_number(name)
   return "-ERR wrong number of arguments for '" .. name .. "' command\r\n"
end

-- A text of a client inside of an error: on one line, and not longer than need be.
function resp.plain(text)
   return (sub(text, 1, 128):gsub("[\r\n]", " "))
end

-- An integer as Redis takes it: 64 bits, no blanks, no zeros in front.
function resp.to_integer(text)
   if #text > 20 or not (find(text, "^%-?[1-9]%d*$") or text == "0") then
      return nil
   end
   return math.tointeger(tonumber(text))
end

-- ---- commands in words: "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n" ----------------------------------------

-- The number behind a mark, and the place after its line; nil and a result as below.
local function read_number(text, at, problem)
   local stop = find(text, "\r", at + 1, true)
   if not stop or stop == #text then
      return nil, #text - at > 24 and problem or #text + 1
   end
   local n = resp.to_integer(sub(text, at + 1, stop - 1))
   return n, n and stop + 2 or problem
end

-- A size of other than one or two digits, or one that is not all there.
local function read_size(text, at)
   local mark = sub(text, at, at)
   if mark ~= "$" and mark ~= "" then
      return nil, "expected '$', got '" .. resp.plain(mark) .. "'"
   end
   local len, from = read_number(text, at, "invalid bulk length")
   if len and (len < 0 or len > MAX_BYTES) then
      return nil, "invalid bulk length"
   end
   return len, from
end

-- The word at `at`, and the place after it. Nil, and the place of the last byte that is needed;
-- or nil, and what is wrong.
local function read_word(text, at)
   local mark, a, b, c = byte(text, at, at + 3)
   local len, from
   if mark == 36 and b == 13 and a >= 48 and a <= 57 then -- "$3\r\n"
      len, from = a - 48, at + 4
   elseif mark == 36 and c == 13 and a >= 49 and a <= 57 and b >= 48 and b <= 57 then -- "$16\r\n"
      len, from = a * 10 + b - 528, at + 5
   else
      len, from = read_size(text, at)
      if not len then
         return nil, from
      end
   end
   local last = from + len + 1
   if last > #text then
      return nil, last
   end
   return sub(text, from, last - 2), last + 1
end

-- Goes on with a command of many words; partial.left have not come yet.
local function read_many(partial, text, at)
   local words = partial.words
   while partial.left > 0 do
      local word, after = read_word(text, at)
      local size = word and #word or math.type(after) and after - at or 0
      if partial.size + size > MAX_BYTES then
         return nil, "invalid bulk length"
      elseif not word then
         return nil, after, partial, at
      end
      words[#words + 1] = word
      partial.left, partial.size, at = partial.left - 1, partial.size + size, after
   end
   return words, at
end

-- ---- any command --------------------------------------------------------------------------------

local function read_line(text, at)
   local word, after = match(text, "^(%a+)\r\n()", at)
   if word then
      return { word }, after
   end
   local stop = find(text, "\n", at, true)
   if (stop or #text) - at > MAX_INLINE then
      return nil, "too big inline request"
   elseif not stop then
      return nil, #text + 1
   end
   local words, problem = inline.split(sub(text, at, stop - 1))
   return words, words and stop + 1 or problem
end

local function read_odd(text, at)
   if byte(text, at) ~= 42 then -- "*"
      return read_line(text, at)
   end
   local n, after = read_number(text, at, "invalid multibulk length")
   if not n then
      return nil, after
   elseif n > MAX_WORDS then
      return nil, "invalid multibulk length"
   end
   return read_many({ words = {}, left = n, size = 0 }, text, after)
end

-- Reads the command at `at`; its words, none for an empty line, and the place after it. Nil, and
-- the place of the last byte that is needed at least; then perhaps what has come of a command of
-- many words, to go on with at the place that is the last result. Or nil, and what is wrong.
function resp.read(text, at, partial)
   if partial then
      return read_many(partial, text, at)
   end
   local star, n, cr = byte(text, at, at + 2)
   if star ~= 42 or cr ~= 13 or n < 49 or n > 51 then
      return read_odd(text, at)
   end
   local a, b, c
   a, at = read_word(text, at + 4)
   if n == 49 or not a then
      return a and { a }, at
   end
   b, at = read_word(text, at)
   if n == 50 or not b then
      return b and { a, b }, at
   end
   c, at = read_word(text, at)
   return c and { a, b, c }, at
end

-- ---- bytes that are not enough yet -----------------------------------------------------------

-- Keeps the bytes from `at` on, until there are those up to `last`, a place in the same text.
function resp.keep(data, text, at, last, partial)
   data.rest, data.partial = { sub(text, at) }, partial
   data.have, data.need = #text - at + 1, last - at + 1
end

-- Puts what has come behind what is kept; nil: that is still not enough.
function resp.join(data, chunk)
   local rest = data.rest
   rest[#rest + 1] = chunk
   data.have = data.have + #chunk
   if data.have < data.need then
      return nil
   end
   data.rest = nil
   return concat(rest)
end

return resp
