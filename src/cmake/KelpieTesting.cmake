# What the program and the module for lua5.4 have in common: the Lua module kelpie.test. It
# takes Lua from the program that it is linked into.
include(KelpieEmbed)

set(testing_header "${PROJECT_BINARY_DIR}/embedded/embedded_test.h")
file(WRITE "${testing_header}.new" "")
kelpie_embed("${testing_header}" test "${PROJECT_SOURCE_DIR}/src/lua/test.lua")
configure_file("${testing_header}.new" "${testing_header}" COPYONLY)

file(GLOB testing_sources CONFIGURE_DEPENDS "src/testing/*.c")
add_library(kelpie_testing OBJECT ${testing_sources})
target_include_directories(kelpie_testing PRIVATE include "${PROJECT_BINARY_DIR}/embedded")
target_include_directories(kelpie_testing SYSTEM PRIVATE
  $<TARGET_PROPERTY:kelpie_lua,INTERFACE_INCLUDE_DIRECTORIES>)
target_compile_definitions(kelpie_testing PRIVATE _GNU_SOURCE)
target_link_libraries(kelpie_testing PRIVATE kelpie_flags)
