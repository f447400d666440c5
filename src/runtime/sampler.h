// Chooses the next token from logits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"
#include "base/result.h"

namespace trine::runtime {

/// Applied in this order: repetition_penalty, temperature, top_k, top_p, min_p, draw.
struct SamplerOptions {
  double temperature = 1.0;         ///< 0 chooses the most likely token
  std::size_t top_k = 0;            ///< keep the k most likely; 0 keeps all
  double top_p = 1.0;               ///< keep the smallest set with this much probability
  double min_p = 0.0;               ///< drop what is below this share of the most likely
  double repetition_penalty = 1.0;  ///< logits of seen tokens: positive ones ÷, negative ones ×
  std::uint64_t seed = 0;
};

/// kInvalidArgument names the first option out of range.
[[nodiscard]] Status check_sampler_options(const SamplerOptions& options);

/// Seeded: the same options and logits give the same tokens on every machine.
class Sampler {
 public:
  explicit Sampler(const SamplerOptions& options) : options_(options), random_(options.seed) {}

  /// @param logits [vocab_size]; @param seen the tokens so far, for the repetition penalty.
  [[nodiscard]] std::int32_t sample(std::span<const float> logits,
                                    std::span<const std::int32_t> seen);

 private:
  SamplerOptions options_;
  base::Random random_;
};

}  // namespace trine::runtime
