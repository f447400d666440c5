// How well one golden model is reproduced, and what 3-bit packing does to it.
#pragma once

#include <string>

#include "base/result.h"

namespace trine::parity {

struct FamilyMeasurement {
  std::string family{};
  float max_logit_difference = 0.0f;  ///< original weights against the reference
  bool same_experts = true;           ///< in every layer, for every token
  double kl_3bit = 0.0;  ///< hqq-3bit in groups of 32 against the original, nats per token
  double kl_8bit = 0.0;  ///< the same at 8 bits: near 0 if every matrix found its place
  double bits_per_weight_3bit = 0.0;
};

/// Runs the golden, compresses it into a temporary directory, verifies and runs the result.
[[nodiscard]] Result<FamilyMeasurement> measure_family(const std::string& golden_name);

}  // namespace trine::parity
