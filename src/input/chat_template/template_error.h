// How the interpreter of chat templates says that it cannot go on.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

#include "base/result.h"

namespace trine::input::chat_template {

/// Thrown within this folder only and turned into an Error, with the template's name and line, by
/// ChatTemplate::parse() and render(). An exception rather than Result, because every operation
/// on every value of a template may fail, as in Python, hundreds of them, none of which has
/// anything to do about it.
class TemplateError : public std::runtime_error {
 public:
  TemplateError(ErrorCode code, const std::string& sentence)
      : std::runtime_error(sentence), code_(code) {}
  [[nodiscard]] ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

/// The template breaks the language, or does what Python would refuse.
template <class... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> sentence, Args&&... args) {
  throw TemplateError(ErrorCode::kMalformed,
                      fmt::format(sentence, std::forward<Args>(args)...));
}

/// The template uses a part of Jinja that Trine does not have.
template <class... Args>
[[noreturn]] void unsupported(fmt::format_string<Args...> sentence, Args&&... args) {
  throw TemplateError(ErrorCode::kUnsupported,
                      fmt::format(sentence, std::forward<Args>(args)...));
}

}  // namespace trine::input::chat_template
