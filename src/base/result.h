// Making and passing on errors; the types themselves are public (trine/result.h).
#pragma once

#include <fmt/format.h>

#include <string>
#include <trine/result.h>
#include <utility>

namespace trine {

/// An error ready to be returned from a function that returns Result:
///     return fail(ErrorCode::kNotFound, "{}: no such tensor", name);
template <class... Args>
[[nodiscard]] tl::unexpected<Error> fail(ErrorCode code, fmt::format_string<Args...> sentence,
                                         Args&&... args) {
  return tl::unexpected<Error>(Error{code, fmt::format(sentence, std::forward<Args>(args)...)});
}

/// Throws InvariantError with `sentence` when `holds` is false. For our bugs, never for input.
inline void check(bool holds, const char* sentence) {
  if (!holds) throw InvariantError(sentence);
}

}  // namespace trine

#define TRINE_CONCAT_INNER(a, b) a##b
#define TRINE_CONCAT(a, b) TRINE_CONCAT_INNER(a, b)

/// Leaves the function with the error of `expression` (a Result), if it holds one.
#define TRINE_RETURN_IF_ERROR(expression)                                     \
  do {                                                                        \
    if (auto trine_status = (expression); !trine_status)                      \
      return tl::unexpected<::trine::Error>(std::move(trine_status).error()); \
  } while (false)

/// `TRINE_ASSIGN_OR_RETURN(auto file, open(path));` declares file, or leaves with the error.
#define TRINE_ASSIGN_OR_RETURN(declaration, expression) \
  TRINE_ASSIGN_OR_RETURN_NAMED(TRINE_CONCAT(trine_result_, __LINE__), declaration, expression)
#define TRINE_ASSIGN_OR_RETURN_NAMED(result, declaration, expression)            \
  auto result = (expression);                                                    \
  if (!result) return tl::unexpected<::trine::Error>(std::move(result).error()); \
  declaration = std::move(*result)
