# kelpie.so, for `require "kelpie"` and `require "kelpie.test"` in a plain lua5.4. It has all of
# libkelpie in it and takes Lua from the program that loads it, so it does not link liblua. It is installed when that is
# asked for: cmake --install BUILD --component luamod
add_library(kelpie_luamod MODULE src/luamod/luamod.c $<TARGET_OBJECTS:kelpie_testing>
            $<TARGET_OBJECTS:kelpie_objects>)
set_target_properties(kelpie_luamod PROPERTIES PREFIX "" SUFFIX ".so" OUTPUT_NAME kelpie
                      LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/luamod")
target_include_directories(kelpie_luamod PRIVATE include src)
target_include_directories(kelpie_luamod SYSTEM PRIVATE
  $<TARGET_PROPERTY:kelpie_lua,INTERFACE_INCLUDE_DIRECTORIES>)
target_compile_definitions(kelpie_luamod PRIVATE _GNU_SOURCE)
target_link_libraries(kelpie_luamod PRIVATE kelpie_flags kelpie_link_flags Threads::Threads)
if(APPLE)
  target_link_options(kelpie_luamod PRIVATE -undefined dynamic_lookup)
endif()

if(KELPIE_INSTALL)
  find_package(PkgConfig)
  if(PkgConfig_FOUND)
    pkg_get_variable(kelpie_lua_cmod lua5.4 INSTALL_CMOD)
  endif()
  if(NOT kelpie_lua_cmod)
    set(kelpie_lua_cmod "${CMAKE_INSTALL_LIBDIR}/lua/5.4")
  endif()
  set(KELPIE_LUA_MODULE_DIR "${kelpie_lua_cmod}" CACHE PATH "Where kelpie.so for lua5.4 goes")
  install(TARGETS kelpie_luamod LIBRARY DESTINATION "${KELPIE_LUA_MODULE_DIR}"
          COMPONENT luamod EXCLUDE_FROM_ALL)
endif()
