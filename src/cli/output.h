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

  /// The result was shown and says no: the exit code will be 1.
  void set_failed() noexcept { failed_ = true; }
  [[nodiscard]] bool failed() const noexcept { return failed_; }

 private:
  bool json_;
  bool failed_ = false;
};

/// 12345678 → "12.3 MB" (powers of ten).
[[nodiscard]] std::string format_bytes(double bytes);

/// 75 → "1 min 15 s".
[[nodiscard]] std::string format_duration(double seconds);

/// {"key": value, "key_stderr": standard_error} into `target`.
void add_score(Json& target, const std::string& key, double value, double standard_error);

/// Writes `value` to `path`, which holds either all of it or what it held before.
[[nodiscard]] Status write_json_file(const std::string& path, const Json& value);

}  // namespace trine::cli
