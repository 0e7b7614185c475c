# Reads native/sources.json, the list that binding.gyp builds from too.
set(SLUICE_SOURCES_JSON ${CMAKE_SOURCE_DIR}/native/sources.json)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${SLUICE_SOURCES_JSON})
file(READ ${SLUICE_SOURCES_JSON} SLUICE_SOURCES)

# sluice_sources(ws OUT): the files of a key with their full path. A key that is not there is an error.
function(sluice_sources key out)
  set(files "")
  string(JSON count LENGTH "${SLUICE_SOURCES}" ${key})
  math(EXPR last "${count} - 1")
  foreach(index RANGE ${last})
    string(JSON file GET "${SLUICE_SOURCES}" ${key} ${index})
    list(APPEND files ${CMAKE_SOURCE_DIR}/native/${file})
  endforeach()
  set(${out} "${files}" PARENT_SCOPE)
endfunction()

# sluice_library(ws base): static library sluice_ws of the key's files, on top of the others named.
function(sluice_library key)
  sluice_sources(${key} files)
  add_library(sluice_${key} STATIC ${files})
  target_include_directories(sluice_${key} PUBLIC ${CMAKE_SOURCE_DIR}/native)
  # As shipped. RTTI stays on here: UBSan's vptr check needs it.
  target_compile_options(sluice_${key} PRIVATE -fno-exceptions)
  foreach(below ${ARGN})
    target_link_libraries(sluice_${key} PUBLIC sluice_${below})
  endforeach()
endfunction()
