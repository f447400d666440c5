// What a command shows: text or one JSON value on stdout, progress and errors on stderr.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <trine/progress.h>
#include <trine/result.h>

namespace trine::cli {

using Json = nlohmann::ordered_json;

class Output {
 public:
  explicit Output(bool json) : json_(json) {}

  [[nodiscard]] bool json() const noexcept { return json_; }

  /// Shows `value` in JSON mode, `text` otherwise.
  void result(const Json& value, const std::string& text) const;

  /// One sentence: {"error":{"code","message"}} on stdout in JSON mode, else on stderr.
  void error(const std::string& code, const std::string& message) const;

 private:
  bool json_;
};

/// 12345678 → "12.3 MB" (powers of ten).
[[nodiscard]] std::string format_bytes(double bytes);

/// 75 → "1 min 15 s".
[[nodiscard]] std::string format_duration(double seconds);

/// {"key": value, "key_stderr": standard_error} into `target`.
void add_score(Json& target, const std::string& key, double value, double standard_error);

}  // namespace trine::cli
