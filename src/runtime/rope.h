// Rotary position embedding.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "core/model_spec.h"

namespace trine::runtime {

/// One new token: where it stands, and how long its sequence is with this step's tokens (some
/// scalings change the frequencies of long sequences).
struct TokenPosition {
  std::size_t position = 0;
  std::size_t sequence_length = 0;
};

/// Cosines and sines of the tokens of one step, computed once and used by every layer. Pair i of
/// a head is turned by position · frequency i; RopeSpec says which elements pair up.
/// Source: Su et al. 2021, arXiv:2104.09864.
class RotaryTable {
 public:
  explicit RotaryTable(const RopeSpec& spec) : spec_(spec) {}

  /// Prepares one row per token, in the order of the step's tokens.
  void set_positions(std::span<const TokenPosition> tokens);

  /// Turns the first rotary_dim elements of `count` heads, `stride` apart, of token row `token`.
  void rotate(std::size_t token, float* heads, std::size_t count, std::size_t stride) const;

 private:
  [[nodiscard]] std::vector<float> dynamic_frequencies(std::size_t sequence_length) const;

  RopeSpec spec_;
  std::vector<float> cosines_{};
  std::vector<float> sines_{};
};

}  // namespace trine::runtime
