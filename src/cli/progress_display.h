// Shows progress on stderr: a bar that redraws itself on a terminal, plain lines in a pipe.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <trine/progress.h>

namespace trine::cli {

/// One piece of long work. Reports done units, percent and time left.
class ProgressDisplay {
 public:
  /// @param verb what is done, for example "compressing".
  explicit ProgressDisplay(std::string verb);
  ~ProgressDisplay();
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;

  void show(const Progress& progress);

  /// A callback bound to this object, for the library.
  [[nodiscard]] ProgressCallback callback() {
    return [this](const Progress& progress) { show(progress); };
  }

 private:
  using Clock = std::chrono::steady_clock;
  [[nodiscard]] std::string describe(const Progress& progress) const;
  void draw_bar(const Progress& progress);
  void print_line(const Progress& progress);

  std::string verb_;
  bool is_terminal_;
  bool has_bar_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_shown_{};
  int last_tenth_ = 0;
};

}  // namespace trine::cli
