// One layer of experts with random weights, as an engine has it.
#pragma once

#include <trine/bench.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "eval/large_buffer.h"
#include "runtime/experts.h"

namespace trine::eval {

/// Packed experts one behind the other in huge pages, and a router. Moves only.
class LayerSubject {
 public:
  /// @param seed another one, other weights. kIo when the memory is not to be had.
  [[nodiscard]] static Result<LayerSubject> make(const LayerBenchOptions& options,
                                                 std::vector<LayerExpert> plan,
                                                 std::uint64_t seed, int threads);

  [[nodiscard]] const runtime::Experts& experts() const noexcept { return experts_; }

  /// Bytes of the router and of every expert that occurs in `chosen`, each once.
  [[nodiscard]] std::size_t active_bytes(std::span<const std::int32_t> chosen) const;

 private:
  LayerSubject(std::vector<LayerExpert> plan, LargeBuffer buffer)
      : plan_(std::move(plan)), buffer_(std::move(buffer)) {}

  std::vector<LayerExpert> plan_;
  LargeBuffer buffer_;
  std::vector<float> router_{};
  runtime::Experts experts_{};
};

}  // namespace trine::eval
