// What one rendering may use up, so that no template can stop the process it runs in.
#pragma once

#include <cstddef>

#include "input/chat_template/template_error.h"

namespace trine::input::chat_template {

/// Generous for templates people write: Llama's and Qwen's need about 100 steps per message.
struct RenderLimits {
  std::size_t max_steps = 2'000'000;  ///< expressions, statements, items of loops
  std::size_t max_output_bytes = std::size_t{32} << 20;
  /// Bytes of all values ever made in one rendering, so at any moment at most as many.
  std::size_t max_value_bytes = std::size_t{256} << 20;
  std::size_t max_depth = 200;  ///< of expressions, blocks and macro calls within each other
};

/// Work on texts takes steps too: copying so many bytes costs about as much as an expression.
inline constexpr std::size_t kBytesPerStep = 256;

/// Counts what is used and throws TemplateError, naming the limit, when it is too much.
class Budget {
 public:
  explicit Budget(const RenderLimits& limits) : limits_(limits) {}

  void take_steps(std::size_t count) {
    steps_ += count;
    if (steps_ > limits_.max_steps) {
      unsupported("takes more than {} steps, the most a template may take", limits_.max_steps);
    }
  }
  /// Work that is proportional to `bytes` also takes time: one step per kBytesPerStep.
  void take_bytes(std::size_t bytes) {
    value_bytes_ += bytes;
    if (bytes > limits_.max_value_bytes || value_bytes_ > limits_.max_value_bytes) {
      unsupported("makes values of more than {} bytes, the most a template may make",
                  limits_.max_value_bytes);
    }
    take_steps(1 + bytes / kBytesPerStep);
  }
  [[nodiscard]] const RenderLimits& limits() const noexcept { return limits_; }

 private:
  RenderLimits limits_;
  std::size_t steps_ = 0;
  std::size_t value_bytes_ = 0;
};

/// Counts how deep calls of ours are within each other.
class DepthGuard {
 public:
  DepthGuard(std::size_t& depth, std::size_t most) : depth_(depth) {
    if (++depth_ > most) {
      --depth_;
      unsupported("is nested deeper than {} levels", most);
    }
  }
  ~DepthGuard() { --depth_; }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;

 private:
  std::size_t& depth_;
};

}  // namespace trine::input::chat_template
