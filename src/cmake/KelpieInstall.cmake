# What `cmake --install` puts where, in components:
#
#   library   libkelpie.so.0            what a program that uses libkelpie needs
#   devel     kelpie.h, libkelpie.a, libkelpie.so, the CMake and pkg-config files, kelpie(3)
#   runtime   the program and all that goes with it: scripts, man pages, completions, unit
include(CMakePackageConfigHelpers)

# Installs a manual page; compressed, where a distribution's package has it so.
function(kelpie_install_man file section component)
  set(page "${PROJECT_SOURCE_DIR}/src/man/${file}")
  if(KELPIE_PACKAGE)
    kelpie_gzip("${page}" "${PROJECT_BINARY_DIR}/man/${file}.gz")
    set(page "${PROJECT_BINARY_DIR}/man/${file}.gz")
  endif()
  install(FILES "${page}" DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section}
          COMPONENT ${component})
endfunction()

# The same bytes each time: without name and time.
function(kelpie_gzip from to)
  find_program(KELPIE_GZIP gzip REQUIRED)
  mark_as_advanced(KELPIE_GZIP)
  get_filename_component(folder "${to}" DIRECTORY)
  file(MAKE_DIRECTORY "${folder}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${from}")
  execute_process(COMMAND "${KELPIE_GZIP}" -9nc "${from}" OUTPUT_FILE "${to}"
                  COMMAND_ERROR_IS_FATAL ANY)
endfunction()

set_target_properties(kelpie_static kelpie_shared PROPERTIES EXCLUDE_FROM_ALL FALSE)
set(kelpie_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/kelpie")

# ---- the library -------------------------------------------------------------------------

install(TARGETS kelpie_shared EXPORT kelpie-shared
        LIBRARY COMPONENT library NAMELINK_COMPONENT devel)
install(TARGETS kelpie_static EXPORT kelpie-static ARCHIVE COMPONENT devel)
if(CMAKE_INTERPROCEDURAL_OPTIMIZATION AND CMAKE_STRIP AND NOT APPLE)
  # What a compiler keeps for link-time optimisation is for itself alone: another version of it
  # refuses to link such a library, although the machine code is there as well.
  install(CODE "execute_process(COMMAND \"${CMAKE_STRIP}\" -p -g -R .gnu.lto_* -R .gnu.debuglto_*
    \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/libkelpie.a\"
    COMMAND_ERROR_IS_FATAL ANY)" COMPONENT devel)
endif()
install(FILES include/kelpie.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT devel)
foreach(kind IN ITEMS shared static)
  install(EXPORT kelpie-${kind} NAMESPACE kelpie:: FILE kelpie-${kind}.cmake
          DESTINATION ${kelpie_cmake_dir} COMPONENT devel)
endforeach()

# The static library leaves Lua to the program that links it: the system's one, found again
# over there, or the one that was built here, which is installed beside it.
if(TARGET kelpie_bundled_lua)
  set_target_properties(kelpie_bundled_lua PROPERTIES OUTPUT_NAME kelpie_lua EXPORT_NAME lua)
  install(TARGETS kelpie_bundled_lua EXPORT kelpie-static ARCHIVE COMPONENT devel)
  set(kelpie_pc_lua "-lkelpie_lua -lm -ldl")
else()
  set(kelpie_lua_names)
  foreach(library IN LISTS LUA_LIBRARIES)
    get_filename_component(name "${library}" NAME_WLE)
    string(REGEX REPLACE "^(lib|-l)" "" name "${name}")
    if(name MATCHES "^lua")
      list(APPEND kelpie_lua_names ${name})
    endif()
  endforeach()
  list(TRANSFORM kelpie_lua_names PREPEND "-l" OUTPUT_VARIABLE kelpie_pc_lua)
  list(JOIN kelpie_pc_lua " " kelpie_pc_lua)
  list(JOIN kelpie_lua_names " " kelpie_lua_names)
endif()

configure_package_config_file(src/cmake/kelpie-config.cmake.in kelpie-config.cmake
                              INSTALL_DESTINATION ${kelpie_cmake_dir})
# Before 1.0 each minor version may change the interface.
write_basic_package_version_file(kelpie-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/kelpie-config.cmake"
              "${PROJECT_BINARY_DIR}/kelpie-config-version.cmake"
        DESTINATION ${kelpie_cmake_dir} COMPONENT devel)

# The .pc file finds its prefix from its own place, so an installed tree can be moved.
file(RELATIVE_PATH kelpie_pc_up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" kelpie_pc_up "${kelpie_pc_up}")
configure_file(src/cmake/kelpie.pc.in kelpie.pc @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/kelpie.pc"
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT devel)
kelpie_install_man(kelpie.3 3 devel)

# ---- the program -------------------------------------------------------------------------

if(KELPIE_BUILD_DAEMON)
  install(TARGETS kelpie_daemon RUNTIME COMPONENT runtime)
  install(DIRECTORY scripts/ DESTINATION ${CMAKE_INSTALL_DATADIR}/kelpie/scripts
          COMPONENT runtime FILES_MATCHING PATTERN "*.lua")
  install(FILES src/lua/kelpie.d.lua src/lua/kelpie.test.d.lua
          DESTINATION ${CMAKE_INSTALL_DATADIR}/kelpie/lua COMPONENT runtime)
  kelpie_install_man(kelpie.1 1 runtime)
  kelpie_install_man(kelpie-lua.7 7 runtime)
  install(FILES src/dist/completions/kelpie.bash RENAME kelpie COMPONENT runtime
          DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES src/dist/completions/_kelpie COMPONENT runtime
          DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
  install(FILES src/dist/completions/kelpie.fish COMPONENT runtime
          DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
  if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    configure_file(src/dist/systemd/kelpie.service.in kelpie.service @ONLY)
    install(FILES "${PROJECT_BINARY_DIR}/kelpie.service" src/dist/systemd/kelpie.socket
            DESTINATION lib/systemd/system COMPONENT runtime)
  elseif(CMAKE_SYSTEM_NAME MATCHES "FreeBSD|DragonFly")
    configure_file(src/dist/rc.d/kelpie.in rc.d/kelpie @ONLY)
    install(PROGRAMS "${PROJECT_BINARY_DIR}/rc.d/kelpie" DESTINATION etc/rc.d
            COMPONENT runtime)
  endif()
endif()
