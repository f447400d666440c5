# trine::trine: all rooms but the command line as one static library with the headers of include/trine,
# for find_package(trine) and for add_subdirectory. Consumers get no flags of ours.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

get_property(rooms GLOBAL PROPERTY TRINE_ROOMS)
set(objects)
foreach(room IN LISTS rooms)
  list(APPEND objects $<TARGET_OBJECTS:trine_${room}>)
endforeach()
get_property(libraries GLOBAL PROPERTY TRINE_ROOM_LIBRARIES)
list(REMOVE_DUPLICATES libraries)
list(REMOVE_ITEM libraries nlohmann_json::nlohmann_json)  # headers alone

add_library(trine_library STATIC ${objects})
add_library(trine::trine ALIAS trine_library)
set_target_properties(trine_library PROPERTIES
  OUTPUT_NAME trine EXPORT_NAME trine LINKER_LANGUAGE CXX)
target_compile_features(trine_library INTERFACE cxx_std_20)
target_include_directories(trine_library INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(trine_library
  PUBLIC tl::expected
  PRIVATE fmt::fmt OpenMP::OpenMP_CXX ${libraries})

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/trine)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/trine-config.cmake.in
  ${PROJECT_BINARY_DIR}/trine-config.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/trine-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(TARGETS trine_library EXPORT trine_targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library)
install(TARGETS trine RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/trine
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT library)
install(EXPORT trine_targets NAMESPACE trine:: FILE trine-targets.cmake
  DESTINATION ${package} COMPONENT library)
install(FILES ${PROJECT_BINARY_DIR}/trine-config.cmake
  ${PROJECT_BINARY_DIR}/trine-config-version.cmake
  DESTINATION ${package} COMPONENT library)
