-- redis/glob.lua: the patterns of Redis: "*", "?", "[a-z]", "[^a]" and "\\" before one of these
--
--    glob.matches(glob.compile("user:*"), key)

local byte, sub = string.byte, string.sub

local glob = {}

-- One element of a pattern: a test of one byte, or "*"; and the place after it.
local function element(pattern, at)
   local c = sub(pattern, at, at)
   if c == "*" then
      return "*", at + 1
   elseif c == "?" then
      return function() return true end, at + 1
   elseif c == "[" then
      local negated = sub(pattern, at + 1, at + 1) == "^"
      local set_of, i = {}, at + (negated and 2 or 1)
      while i <= #pattern and sub(pattern, i, i) ~= "]" do
         local from, dash, to = byte(pattern, i, i + 2)
         if dash == 45 and to and to ~= 93 then
            i = i + 2
         else
            to = from
         end
         for b = math.min(from, to), math.max(from, to) do
            set_of[b] = true
         end
         i = i + 1
      end
      return function(b) return (set_of[b] or false) ~= negated end, i + 1
   elseif c == "\\" and at < #pattern then
      at = at + 1
   end
   local wanted = byte(pattern, at)
   return function(b) return b == wanted end, at + 1
end

function glob.compile(pattern)
   local tests, at = {}, 1
   while at <= #pattern do
      tests[#tests + 1], at = element(pattern, at)
   end
   return tests
end

-- Only the last "*" is ever tried again, so that no pattern takes long.
function glob.matches(tests, text)
   local t, i, star, mark = 1, 1, nil, nil
   while i <= #text do
      if tests[t] == "*" then
         star, mark, t = t, i, t + 1
      elseif tests[t] and tests[t](byte(text, i)) then
         t, i = t + 1, i + 1
      elseif star then
         mark = mark + 1
         t, i = star + 1, mark
      else
         return false
      end
   end
   while tests[t] == "*" do
      t = t + 1
   end
   return tests[t] == nil
end

return glob
