# Debian packages, made by `cmake --preset package && cmake --build --preset package --target
# package`: kelpie (the program), libkelpie0, libkelpie-dev, and lua-kelpie where the module for
# lua5.4 is built.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME kelpie)
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(KELPIE_PACKAGE_CONTACT "the kelpie maintainers <root@localhost>" CACHE STRING
    "Who answers for the packages that are made here")
set(CPACK_PACKAGE_CONTACT "${KELPIE_PACKAGE_CONTACT}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL runtime library devel)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME kelpie)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS "${PROJECT_BINARY_DIR}")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_DEPENDS "libkelpie0 (= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA
    "${PROJECT_SOURCE_DIR}/src/dist/deb/postinst"
    "${PROJECT_SOURCE_DIR}/src/dist/deb/prerm"
    "${PROJECT_SOURCE_DIR}/src/dist/deb/postrm"
    "${PROJECT_BINARY_DIR}/deb/conffiles")
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION
    "server for stream sockets whose behaviour is a Lua script
Handlers are Lua scripts that can be changed while it runs; clients stay
connected.")

set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libkelpie0)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA "${PROJECT_SOURCE_DIR}/src/dist/deb/triggers")
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION
    "engine of kelpie as a C library
It nests in any event loop.")

set(CPACK_DEBIAN_DEVEL_PACKAGE_NAME libkelpie-dev)
set(CPACK_DEBIAN_DEVEL_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVEL_PACKAGE_DEPENDS
    "libkelpie0 (= ${PROJECT_VERSION}), liblua5.4-dev, libc6-dev")
set(CPACK_COMPONENT_DEVEL_DESCRIPTION
    "header and static library of kelpie's engine
With its manual page, and files for CMake and pkg-config.")

if(KELPIE_BUILD_LUA_MODULE)
  list(APPEND CPACK_COMPONENTS_ALL luamod)
  set(CPACK_DEBIAN_LUAMOD_PACKAGE_NAME lua-kelpie)
  set(CPACK_DEBIAN_LUAMOD_PACKAGE_SECTION interpreters)
  set(CPACK_DEBIAN_LUAMOD_PACKAGE_SHLIBDEPS ON)
  set(CPACK_DEBIAN_LUAMOD_PACKAGE_SUGGESTS "lua5.4, lua-busted")
  set(CPACK_COMPONENT_LUAMOD_DESCRIPTION
      "kelpie as a module of lua5.4, with tests for its handlers
The module kelpie.test runs handlers without sockets, also in specs of busted.")
endif()

# What only the Debian packages have: who wrote it and what has changed, a configuration, and
# scripts that may be edited, all of which are conffiles.
if(KELPIE_PACKAGE)
  configure_file(src/dist/deb/changelog.in deb/changelog @ONLY)
  kelpie_gzip("${PROJECT_BINARY_DIR}/deb/changelog"
              "${PROJECT_BINARY_DIR}/deb/changelog.gz")
  foreach(pair IN ITEMS runtime:kelpie library:libkelpie0 devel:libkelpie-dev luamod:lua-kelpie)
    string(REGEX MATCH "(.*):(.*)" pair "${pair}")
    set(doc_dir "${CMAKE_INSTALL_DATADIR}/doc/${CMAKE_MATCH_2}")
    install(FILES LICENSE RENAME copyright DESTINATION ${doc_dir} COMPONENT ${CMAKE_MATCH_1})
    install(FILES "${PROJECT_BINARY_DIR}/deb/changelog.gz" DESTINATION ${doc_dir}
            COMPONENT ${CMAKE_MATCH_1})
  endforeach()
endif()
if(KELPIE_BUILD_DAEMON AND KELPIE_PACKAGE)
  file(GLOB scripts CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}" "scripts/*.lua")
  list(TRANSFORM scripts PREPEND "/etc/kelpie/")
  list(JOIN scripts "\n" scripts)
  file(WRITE "${PROJECT_BINARY_DIR}/deb/conffiles" "/etc/kelpie/kelpie.lua\n${scripts}\n")
  install(FILES src/dist/deb/kelpie.lua DESTINATION /etc/kelpie COMPONENT runtime)
  install(DIRECTORY scripts DESTINATION /etc/kelpie COMPONENT runtime
          FILES_MATCHING PATTERN "*.lua")
endif()
include(CPack)
