#include "cli/progress_display.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "cli/output.h"

namespace trine::cli {
namespace {

constexpr std::size_t kBarWidth = 24;
constexpr std::chrono::milliseconds kRedraw{100};
constexpr std::chrono::seconds kLineInterval{10};
constexpr double kSettling = 0.5;  // seconds before a time left is worth showing

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

double share_of(const Progress& progress) {
  if (progress.total_units == 0) return 1.0;
  return static_cast<double>(progress.done_units) / static_cast<double>(progress.total_units);
}

}  // namespace

ProgressDisplay::ProgressDisplay(std::string verb)
    : verb_(std::move(verb)), is_terminal_(::isatty(STDERR_FILENO) == 1) {}

ProgressDisplay::~ProgressDisplay() {
  if (has_bar_) fmt::print(stderr, "\r\x1b[K");  // the result takes the bar's place
}

std::string ProgressDisplay::describe(const Progress& progress) const {
  const double share = share_of(progress);
  const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
  std::string text = fmt::format("{:3.0f} %", 100.0 * share);
  if (share > 0.0 && share < 1.0 && elapsed > kSettling) {
    text += fmt::format(", {} left", format_duration(elapsed * (1.0 - share) / share));
  }
  return text;
}

void ProgressDisplay::show(const Progress& progress) {
  if (is_terminal_) {
    draw_bar(progress);
  } else {
    print_line(progress);
  }
}

void ProgressDisplay::draw_bar(const Progress& progress) {
  const auto now = Clock::now();
  if (now - last_shown_ < kRedraw && progress.done_units < progress.total_units) return;
  last_shown_ = now;
  has_bar_ = true;
  const auto filled = static_cast<std::size_t>(share_of(progress) * kBarWidth);
  std::string bar;
  for (std::size_t i = 0; i < kBarWidth; ++i) bar += i < filled ? "█" : "░";
  std::string text = fmt::format(" {}  {}", describe(progress), progress.item);
  const std::size_t used = verb_.size() + 1 + kBarWidth;
  const std::size_t width = terminal_width();
  text.resize(std::min(text.size(), width > used + 1 ? width - used - 1 : 0));
  fmt::print(stderr, "\r\x1b[K{} {}{}", verb_, bar, text);
  std::fflush(stderr);
}

void ProgressDisplay::print_line(const Progress& progress) {
  const auto now = Clock::now();
  const int tenth = static_cast<int>(share_of(progress) * 10.0);
  if (tenth == last_tenth_ && now - last_shown_ < kLineInterval) return;
  last_tenth_ = tenth;
  last_shown_ = now;
  fmt::print(stderr, "{}: {}\n", verb_, describe(progress));
}

}  // namespace trine::cli
