#include "cli/output.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>

namespace trine::cli {

void Output::result(const Json& value, const std::string& text) const {
  // A path may hold bytes that are not UTF-8; they are shown as U+FFFD rather than refused.
  constexpr auto kReplace = Json::error_handler_t::replace;
  fmt::print("{}\n", json_ ? value.dump(2, ' ', false, kReplace) : text);
  std::fflush(stdout);
}

void Output::error(const std::string& code, const std::string& message) const {
  if (json_) {
    const Json value = {{"error", {{"code", code}, {"message", message}}}};
    fmt::print("{}\n", value.dump(2, ' ', false, Json::error_handler_t::replace));
    std::fflush(stdout);
    return;
  }
  fmt::print(stderr, "trine: {}\n", message);
}

std::string format_bytes(double bytes) {
  constexpr std::array kUnits = {"B", "kB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  while (bytes >= 1000.0 && unit + 1 < kUnits.size()) {
    bytes /= 1000.0;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes)
                   : fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

std::string format_duration(double seconds) {
  if (seconds < 10.0) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<long long>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

void add_score(Json& target, const std::string& key, double value, double standard_error) {
  target[key] = value;
  target[key + "_stderr"] = standard_error;
}

Status write_json_file(const std::string& path, const Json& value) {
  const std::string partial = path + ".partial";
  std::ofstream file(partial, std::ios::trunc);
  file << value.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
  file.close();
  std::error_code failed;
  if (file) std::filesystem::rename(partial, path, failed);
  if (file && !failed) return {};
  return tl::unexpected(Error{ErrorCode::kIo, path + ": the result cannot be written there"});
}

}  // namespace trine::cli
