// Rotary position embedding.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace trine::runtime {

/// Cosines and sines of the positions of one step, computed once and used by every layer.
/// Pair i of a head is (x[i], x[i + head_dim/2]), turned by position · theta^(−2i/head_dim).
/// Source: Su et al. 2021, arXiv:2104.09864; the half-split pairing of released checkpoints.
class RotaryTable {
 public:
  RotaryTable(std::size_t head_dim, double theta);

  /// Prepares the rows for these positions, in the order of the step's tokens.
  void set_positions(std::span<const std::size_t> positions);

  /// Turns all heads of token row `token`: heads [num_heads, head_dim], in place.
  void rotate(std::size_t token, float* heads, std::size_t num_heads) const;

 private:
  std::size_t half_;
  std::vector<float> frequencies_;
  std::vector<float> cosines_{};
  std::vector<float> sines_{};
};

}  // namespace trine::runtime
