# Lua 5.4, as the target kelpie_lua: the system's, or a source tree named by
# KELPIE_LUA_SOURCE_DIR.
add_library(kelpie_lua INTERFACE)

if(KELPIE_LUA_SOURCE_DIR)
  set(lua_dir "${KELPIE_LUA_SOURCE_DIR}")
  if(EXISTS "${lua_dir}/src/lua.h")
    set(lua_dir "${lua_dir}/src")
  endif()
  if(NOT EXISTS "${lua_dir}/lua.h")
    message(FATAL_ERROR "KELPIE_LUA_SOURCE_DIR: there is no lua.h in ${lua_dir}")
  endif()
  file(STRINGS "${lua_dir}/lua.h" lua_version REGEX "LUA_VERSION_MINOR.*4")
  if(NOT lua_version)
    message(FATAL_ERROR "KELPIE_LUA_SOURCE_DIR: ${lua_dir} is not Lua 5.4")
  endif()
  file(GLOB lua_sources "${lua_dir}/l*.c")
  list(FILTER lua_sources EXCLUDE REGEX "/(lua|luac|ltests|onelua)\\.c$")
  add_library(kelpie_bundled_lua STATIC ${lua_sources})
  target_include_directories(kelpie_bundled_lua SYSTEM PUBLIC "${lua_dir}")
  # With dlopen, so that modules in C can be loaded. They take Lua from the program, which
  # therefore shows it.
  target_compile_definitions(kelpie_bundled_lua PRIVATE LUA_USE_POSIX LUA_USE_DLOPEN)
  set_target_properties(kelpie_bundled_lua PROPERTIES C_VISIBILITY_PRESET default)
  target_link_libraries(kelpie_bundled_lua PUBLIC m ${CMAKE_DL_LIBS})
  target_link_libraries(kelpie_lua INTERFACE kelpie_bundled_lua)
  message(STATUS "Lua: built from ${lua_dir}")
else()
  find_package(Lua 5.4 EXACT QUIET)
  if(NOT LUA_FOUND)
    find_package(PkgConfig QUIET)
    if(PKG_CONFIG_FOUND)
      pkg_search_module(LUA lua-5.4 lua5.4 lua54)
      set(LUA_INCLUDE_DIR ${LUA_INCLUDE_DIRS})
      set(LUA_LIBRARIES ${LUA_LINK_LIBRARIES})
      set(LUA_VERSION_STRING ${LUA_VERSION})
    endif()
  endif()
  if(NOT LUA_FOUND)
    message(FATAL_ERROR "Lua 5.4 is not there. Install it:\n"
      "  Debian, Ubuntu:  apt-get install liblua5.4-dev\n"
      "  FreeBSD:         pkg install lua54\n"
      "  Homebrew:        brew install lua@5.4, then add its prefix to CMAKE_PREFIX_PATH\n"
      "or name a source tree with -DKELPIE_LUA_SOURCE_DIR=...")
  endif()
  target_include_directories(kelpie_lua SYSTEM INTERFACE ${LUA_INCLUDE_DIR})
  target_link_libraries(kelpie_lua INTERFACE ${LUA_LIBRARIES})
  message(STATUS "Lua: ${LUA_VERSION_STRING}")
endif()
