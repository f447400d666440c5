// A mixture as it would be stored: in directions that have nothing to do with its tokens, and
// rounded. Rounding in the coordinates of the tokens would be rounding of single features.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <utility>
#include <vector>

#include "base/random.h"
#include "mixture.h"

namespace trine::examples {

using Basis = std::vector<std::array<double, kTokens>>;  ///< [token] in the stored coordinates

/// Orthonormal tokens in random directions (Gram–Schmidt).
[[nodiscard]] Basis random_basis(base::Random& random);

/// One expert rounded to some bits: its output for every token, and by how much that can differ
/// from the exact one. A weight moves by at most half a step Δ of its row, a pre-activation by
/// ½Δ‖x‖₁, and ReLU by no more than its input (the certificate that follows from the theory's
/// argument, per token).
struct Rounded {
  std::array<double, kTokens> outputs{};
  std::array<double, kTokens> bounds{};
};

class StoredMixture {
 public:
  StoredMixture(const Mixture& mixture, Basis basis);

  /// Largest variance of a row, per expert.
  [[nodiscard]] std::vector<double> max_variances() const;

  /// Rows rounded between their minimum and maximum with 2^bits levels.
  [[nodiscard]] const Rounded& rounded(std::size_t expert, int bits);

 private:
  Basis basis_;
  std::vector<std::vector<std::array<double, kTokens>>> experts_{};  ///< [expert][neuron]
  std::map<std::pair<std::size_t, int>, Rounded> rounded_{};
};

}  // namespace trine::examples
