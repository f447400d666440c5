# Run by the build (cmake -P): writes OUTPUT, a C++ file with one function per text file.
# FUNCTIONS and FILES are lists of the same length, separated by commas; HEADER declares the
# functions in NAMESPACE.
string(REPLACE "," ";" FUNCTIONS "${FUNCTIONS}")
string(REPLACE "," ";" FILES "${FILES}")
set(code "// Written by cmake/embed_text.cmake.\n#include \"${HEADER}\"\n\nnamespace ${NAMESPACE} {\n")
foreach(function file IN ZIP_LISTS FUNCTIONS FILES)
  file(READ "${file}" text)
  # Inside a script or style element nothing else would end it early.
  string(TOLOWER "${text}" lower)
  if(NOT file MATCHES "\\.html$" AND lower MATCHES "</(script|style)")
    message(FATAL_ERROR "${file}: has the end of a script or style in it, cannot be inlined")
  endif()
  if(lower MATCHES "\\)trine_text\"")
    message(FATAL_ERROR "${file}: has the end of our string literal in it")
  endif()
  string(APPEND code
    "\nstd::string_view ${function}() noexcept {\n  return R\"trine_text(${text})trine_text\";\n}\n")
endforeach()
file(WRITE "${OUTPUT}" "${code}\n}  // namespace ${NAMESPACE}\n")
