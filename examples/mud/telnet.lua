-- telnet.lua: the telnet protocol (RFC 854, 1143) for a server that wants no options but one
--
--   local lines, answer = telnet.read(state, bytes)
--
-- takes the protocol out of what has come: whole lines of text, and what to answer. state is a
-- table that the caller keeps. Every offer and demand of the client is refused, as one must; the
-- one option is ECHO, which the server claims while a password is typed: the terminal then
-- shows nothing. An answer to our own claim is not answered, or the two would talk for ever.

local IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
local AYT, EC, EL = 246, 247, 248
local ECHO = 1
local MAX_LINE = 500

local telnet = {}

local refusal = { [WILL] = DONT, [DO] = WONT }

-- Bytes that make the client's terminal hide, or show again, what is typed.
function telnet.hide(state, hidden)
   state.hidden = hidden
   return string.char(IAC, hidden and WILL or WONT, ECHO)
end

-- Takes the byte after IAC, and after WILL, WONT, DO or DONT; answers.
local function command(state, byte)
   if state.verb then
      local verb = state.verb
      state.verb, state.mode = nil, nil
      if byte == ECHO and (verb == DO or verb == DONT) then
         return verb == DO and not state.hidden and string.char(IAC, WONT, ECHO) or ""
      end
      return refusal[verb] and string.char(IAC, refusal[verb], byte) or ""
   elseif byte >= WILL and byte <= DONT then
      state.verb = byte
      return ""
   end
   state.mode, state.last = byte == SB and "option" or nil, nil
   if byte == EC then
      state.line = state.line:sub(1, -2)
   elseif byte == EL then
      state.line = ""
   end
   return byte == AYT and "[yes]\r\n" or ""
end

-- Takes a byte of text: a line ends with CR LF, CR NUL or LF.
local function text(state, byte, lines)
   if byte == 10 then
      table.insert(lines, state.line)
      state.line = ""
   elseif byte == 8 or byte == 127 then
      state.line = state.line:sub(1, -2)
   elseif byte == 0 and state.last == 13 then
      table.insert(lines, state.line)
      state.line = ""
   elseif byte >= 32 and #state.line < MAX_LINE then
      state.line = state.line .. string.char(byte)
   end
   state.last = byte
end

function telnet.read(state, bytes)
   local lines, answers = {}, {}
   state.line = state.line or ""
   for i = 1, #bytes do
      local byte = bytes:byte(i)
      if state.mode == "option" then -- of an option we never agreed to: up to IAC SE
         if byte == SE and state.last == IAC then
            state.mode = nil
         end
         state.last = byte ~= IAC and byte or state.last ~= IAC and IAC or nil
      elseif state.mode == "command" and (byte ~= IAC or state.verb) then
         table.insert(answers, command(state, byte))
      elseif state.mode == "command" then -- IAC IAC is the byte 255
         state.mode = nil
         text(state, byte, lines)
      elseif byte == IAC then
         state.mode = "command"
      else
         text(state, byte, lines)
      end
   end
   return lines, table.concat(answers)
end

return telnet
