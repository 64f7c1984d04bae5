# KelpieEmbed.cmake - Lua files as arrays of bytes in headers

# Adds to HEADER an array kd_embedded_NAME with the bytes of FILE.
function(kelpie_embed header name file)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
  file(READ "${file}" hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "(................................................................................)"
         "\\1\n" bytes "${bytes}")
  file(APPEND "${header}.new" "static const unsigned char kd_embedded_${name}[] = {\n${bytes}};\n")
endfunction()
