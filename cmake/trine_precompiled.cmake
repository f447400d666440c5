# Headers that most files read, compiled once (TRINE_PRECOMPILE, on in the preset dev): reading them
# is half of what compiling a test without optimisation takes. The release build goes without, so
# that a file which forgets to include what it uses is still found.
set(headers
  <algorithm> <cstdint> <filesystem> <functional> <map> <memory> <optional> <span> <string>
  <string_view> <vector> <fmt/format.h> <fmt/ranges.h> <nlohmann/json.hpp> <tl/expected.hpp>)

# trine_precompiled(NAME HEADERS… LIBRARIES…): an empty library that others take the headers from;
# it must be compiled with the options they are compiled with.
function(trine_precompiled name)
  cmake_parse_arguments(GIVEN "" "" "HEADERS;LIBRARIES" ${ARGN})
  set(source ${CMAKE_BINARY_DIR}/${name}.cpp)
  file(CONFIGURE OUTPUT ${source} CONTENT "// Nothing but precompiled headers.\n")
  add_library(${name} STATIC ${source})
  target_link_libraries(${name} PRIVATE trine_flags ${GIVEN_LIBRARIES})
  target_precompile_headers(${name} PRIVATE ${GIVEN_HEADERS})
endfunction()

if(TRINE_PRECOMPILE)
  trine_precompiled(trine_precompiled HEADERS ${headers} LIBRARIES nlohmann_json::nlohmann_json)
  if(TRINE_TESTS)
    find_package(GTest REQUIRED)
    trine_precompiled(trine_precompiled_tests HEADERS ${headers} <gtest/gtest.h>
      LIBRARIES nlohmann_json::nlohmann_json GTest::gtest)
  endif()
endif()

# Gives `target` the headers of `from`, if they are compiled.
function(trine_use_precompiled target from)
  if(TRINE_PRECOMPILE)
    target_precompile_headers(${target} REUSE_FROM ${from})
  endif()
endfunction()
