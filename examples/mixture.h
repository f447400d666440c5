// The setting of the theory of arXiv 2604.06515, §4: one mixture of experts that classifies
// sequences by the one token that matters.
//
// Tokens are orthonormal. Token 0 and 1 are the frequent and the rare feature of the class +1,
// 2 and 3 those of −1, all others mean nothing. Every expert takes the two tokens of a sequence
// its router likes best (expert choice), a softmax over the two weighs them, and the expert is
// a layer of ReLU neurons with fixed output weights ±1/kNeurons. Experts and routers are
// trained by gradient descent on the hinge loss.
//
// "Pretraining alignment" of the theory, made concrete: a router begins near its own feature and
// avoids those of others; neurons begin open to their own feature and silent for other tokens.
// The silence matters: with neurons open to every token, frequent experts add the noise of their
// rounding to rare sequences as well, through the tokens that mean nothing. Rare-first still
// beats hot-first then, but no longer uniform bits (errors 0.166 against 0.138 at a share of 0.1
// and 7 or 9 bits, 6 seeds).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/random.h"

namespace trine::examples {

inline constexpr std::size_t kTokens = 64;  ///< also the dimension they live in
inline constexpr std::size_t kExperts = 8;  ///< two per feature: expert s begins at s mod 4
inline constexpr std::size_t kNeurons = 32;
inline constexpr std::size_t kLength = 5;  ///< tokens of a sequence
inline constexpr std::size_t kTaken = 2;   ///< of them an expert takes
inline constexpr std::size_t kFeatures = 4;
/// A frequent one that is not the first of them by its norm change: that one has high bits anyway.
inline constexpr std::size_t kWideExpert = 6;

[[nodiscard]] constexpr bool is_rare(std::size_t feature_or_expert) {
  return feature_or_expert % 2 == 1;
}

struct Sequence {
  std::array<std::size_t, kLength> tokens{};
  std::size_t feature = 0;

  [[nodiscard]] double label() const { return feature < 2 ? 1.0 : -1.0; }
};

/// `feature` at a random place among tokens that mean nothing.
[[nodiscard]] Sequence random_sequence(std::size_t feature, base::Random& random);

/// What one expert did with a sequence.
struct Choice {
  std::array<std::size_t, kTaken> tokens{};
  std::array<double, kTaken> gates{};
  std::array<double, kTaken> outputs{};
};

/// All vectors in the coordinates of the tokens: weight · token is an element, and a step of
/// training along a token changes one element.
struct Mixture {
  /// [kExperts][kNeurons · kTokens]; the first half of the neurons has output weights +1/kNeurons.
  std::vector<std::vector<double>> weights{};
  std::vector<std::array<double, kTokens>> routers{};

  [[nodiscard]] std::vector<double> router_norms() const;
  [[nodiscard]] Choice choose(std::size_t expert, const Sequence& sequence) const;
  [[nodiscard]] double output(const Sequence& sequence) const;
};

/// Output weight of a neuron.
[[nodiscard]] constexpr double output_weight(std::size_t neuron) {
  return (neuron < kNeurons / 2 ? 1.0 : -1.0) / static_cast<double>(kNeurons);
}

struct Training {
  Mixture mixture{};
  std::vector<double> norm_changes{};  ///< of the router rows, the Λ of the theory
  int steps = 0;
};

/// @param rare_share α: the part of the sequences with a rare feature.
/// @param inflation factor on the first weights of kWideExpert; all experts begin with output 0,
///        so it changes no output there.
[[nodiscard]] Training train(double rare_share, double inflation, std::uint64_t seed);

}  // namespace trine::examples
