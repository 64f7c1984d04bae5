-- redis/inline.lua: a command as a person types it: set "two words" 'x'
--
-- Words are between blanks. One that begins with a quote ends with it, and a blank or the end of
-- the line must follow. Between double quotes \n, \r, \t, \b, \a and \xff are bytes.

local find, sub = string.find, string.sub

local inline = {}

local escapes = { n = "\n", r = "\r", t = "\t", b = "\b", a = "\a" }

local function unescape(text)
   text = text:gsub("\\(.)(%x?%x?)", function(char, hex)
      if char == "x" and #hex == 2 then
         return string.char(tonumber(hex, 16))
      end
      return (escapes[char] or char) .. hex
   end)
   return text
end

-- The place of the quote that ends a word; nil: there is none, or something follows it.
local function closing(line, quote, at)
   local stop = at
   repeat
      stop = find(line, "[\\" .. quote .. "]", stop + 1)
      local is_escape = stop and sub(line, stop, stop) == "\\"
      stop = is_escape and stop + 1 or stop
   until not is_escape
   return stop and not find(line, "^%S", stop + 1) and stop or nil
end

-- The words of a line; nil and what is wrong.
function inline.split(line)
   local words = {}
   if not find(line, "[\"']") then
      for word in line:gmatch("%S+") do
         words[#words + 1] = word
      end
      return words
   end
   local at = find(line, "%S")
   while at do
      local quote = sub(line, at, at)
      local stop
      if quote == '"' or quote == "'" then
         stop = closing(line, quote, at)
         if not stop then
            return nil, "unbalanced quotes in request"
         end
         local word = sub(line, at + 1, stop - 1)
         words[#words + 1] = quote == '"' and unescape(word) or word:gsub("\\'", "'")
      else
         stop = (find(line, "%s", at) or #line + 1) - 1
         words[#words + 1] = sub(line, at, stop)
      end
      at = find(line, "%S", stop + 1)
   end
   return words
end

return inline
