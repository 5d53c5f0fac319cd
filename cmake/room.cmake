# SPDX-License-Identifier: Apache-2.0
# A room is one static library whose include path holds itself, the public headers and the rooms it USES, and nothing
# else: an include of any other room does not compile. Each room is reached as "room/header.h" through a folder that holds
# only a link to it.
function(bulla_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;USES;LINKS" ${ARGN})
  file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/rooms/${name})
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/rooms/${name}/${name} SYMBOLIC)
  add_library(room_${name} STATIC ${ROOM_SOURCES})
  target_include_directories(room_${name} PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_BINARY_DIR}/rooms/${name})
  foreach(used IN LISTS ROOM_USES)
    target_include_directories(room_${name} PRIVATE ${PROJECT_BINARY_DIR}/rooms/${used})
    target_link_libraries(room_${name} PUBLIC room_${used})
  endforeach()
  target_link_libraries(room_${name} PRIVATE bulla_flags PUBLIC ${ROOM_LINKS})
  set_property(GLOBAL APPEND PROPERTY BULLA_ROOMS ${name})
endfunction()
