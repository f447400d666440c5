# What every target is compiled with. Warnings are errors from the first day; not for those who
# build Trine as a part of something, with compilers that warn of more.
add_library(trine_flags INTERFACE)
target_compile_features(trine_flags INTERFACE cxx_std_20)
target_compile_options(trine_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wold-style-cast
  -Wunused-result $<$<BOOL:${TRINE_WERROR}>:-Werror>
  # The same bytes on every machine: no contraction of a·b + c behind our back.
  -ffp-contract=off)
target_include_directories(trine_flags INTERFACE
  ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_compile_definitions(trine_flags INTERFACE TRINE_VERSION="${PROJECT_VERSION}")
target_link_libraries(trine_flags INTERFACE tl::expected fmt::fmt OpenMP::OpenMP_CXX)
if(TRINE_SANITIZE)
  target_compile_options(trine_flags INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(trine_flags INTERFACE -fsanitize=address,undefined)
endif()
if(TRINE_FUZZ)  # libFuzzer sees which code an input reaches
  target_compile_options(trine_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# trine_unity(TARGET FILES): compiles so many files of the target at once. Alone, most take 2 s for
# their headers and less for what is in them: one by one the release build took 950 s of a processor,
# 16 at a time it takes 300 to 350 s; ten files of tests take 18 s, where one took 7 s even with
# precompiled headers. Names without linkage must therefore be unique in a room; that each file
# includes what it uses is held by tools/check_includes.py.
function(trine_unity target files)
  set_target_properties(${target} PROPERTIES
    UNITY_BUILD ${TRINE_UNITY} UNITY_BUILD_BATCH_SIZE ${files})
endfunction()

# trine_room(NAME [ARITHMETIC] [APART] DEPENDS room… LIBRARIES target…): one library per folder of src/.
# Sources are found by looking, so adding a file changes no list. DEPENDS names every lower room
# whose headers this one includes; tools/check_layers.py holds it to that. ARITHMETIC: the room's work
# is loops over numbers, which debug builds optimise too: without, their tests take minutes. APART:
# each file is compiled alone.
function(trine_room name)
  cmake_parse_arguments(ROOM "ARITHMETIC;APART" "" "DEPENDS;LIBRARIES" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/main/main.cpp$")
  add_library(trine_${name} STATIC ${sources})
  target_link_libraries(trine_${name} PUBLIC trine_flags)
  if(NOT ROOM_APART)
    trine_unity(trine_${name} 16)
  endif()
  foreach(room IN LISTS ROOM_DEPENDS)
    target_link_libraries(trine_${name} PUBLIC trine_${room})
  endforeach()
  target_link_libraries(trine_${name} PUBLIC ${ROOM_LIBRARIES})
  if(ROOM_ARITHMETIC)
    target_compile_options(trine_${name} PRIVATE $<$<CONFIG:Debug>:-O1>)
  endif()
  if(NOT name STREQUAL "cli")  # the program is no part of the library
    set_property(GLOBAL APPEND PROPERTY TRINE_ROOMS ${name})
    set_property(GLOBAL APPEND PROPERTY TRINE_ROOM_LIBRARIES ${ROOM_LIBRARIES})
  endif()
endfunction()
