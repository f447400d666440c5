// From windows that were seen to windows that were not: how often two models agree at least, with a
// stated confidence. docs/certificate.md, "Other text".
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"

namespace trine::eval {

/// Agreement of two models, by window.
struct AgreementTally {
  std::vector<double> shares{};      ///< of each window's tokens, in [0, 1]
  std::uint64_t drawn_agreeing = 0;  ///< of one token drawn from each window

  /// @param agrees by token; the window is [first, first + count).
  void add(const std::vector<bool>& agrees, std::size_t first, std::size_t count,
           base::Random& draws);
  [[nodiscard]] double mean() const noexcept;
};

/// Largest q with P(at least `successes` of `trials` | q) ≤ probability for independent trials of
/// one chance: Clopper and Pearson 1934, one-sided. 0 without a success.
[[nodiscard]] double binomial_lower_bound(std::uint64_t successes, std::uint64_t trials,
                                          double probability);

/// mean − √(ln(1/probability) / 2n), for the mean of n independent shares in [0, 1] (Hoeffding 1963).
[[nodiscard]] double hoeffding_lower_bound(double mean, std::size_t count, double probability);

/// The same by betting against every smaller mean (Waudby-Smith and Ramdas 2024, section 4): a
/// gambler who stakes on "above m" has a capital that, if the mean is m, passes 1/probability with
/// at most that probability (Ville). The stakes come from the shares before, so the bound knows how
/// little windows differ. It needs each share to have the same mean given those before it.
[[nodiscard]] double betting_lower_bound(std::span<const double> shares, double probability);

}  // namespace trine::eval
