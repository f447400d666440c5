// The kinds of terms a rank strategy is made of, and what each does.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/model_spec.h"
#include "core/statistics.h"
#include "plan/weight_statistics.h"

namespace trine::plan {

struct RankTerm {
  std::string name{};
  std::size_t rank = 0;
};

struct RankOptions {
  /// Every R is multiplied by it. The published ranks belong to matrices of 2048 to 14336; a
  /// model with a hidden_size of 256 asks for the same share of the full rank with 1/16.
  double rank_scale = 1.0;
  /// Ranks of the published kurtosis rule (published_kurtosis_rank), and ranks up to the smaller
  /// side of a matrix instead of below m·n / (m + n), where the factors hold as many numbers as
  /// the matrix.
  bool compat = false;
  /// Ranks are multiples of kRankStep, which is what a stored factor is padded to; matrices
  /// whose largest rank is smaller have that. The published ranks are any integers.
  bool rounds_to_step = true;
  std::string compensator = "milo";  ///< MatrixPlan::compensator where the rank is not 0
  int factor_bits = 3;
};

/// What proportional terms go by. Null: not known; a term that needs it says so.
struct RankInputs {
  const WeightStatistics* weights = nullptr;    ///< kurtosis
  const ModelStatistics* statistics = nullptr;  ///< frequency
};

/// A matrix a term may speak of.
struct RankTarget {
  const MatrixSpec* matrix = nullptr;
  std::size_t layer = 0;   ///< of routed experts
  std::size_t expert = 0;  ///< of routed experts
  std::size_t cap = 0;     ///< largest rank allowed
  std::size_t step = 1;    ///< ranks are multiples
};

struct RankTask {
  RankTerm term{};
  std::vector<RankTarget>
      targets{};      ///< routed experts: gate, up and down of one after another
  double rank = 0.0;  ///< the term's, scaled
  RankInputs inputs{};
  RankOptions options{};
};

/// One rank per target.
using RankFunction = Result<std::vector<std::size_t>>(const RankTask& task);

struct RankRule {
  std::string_view name;
  bool covers_dense;   ///< attention, dense feed-forwards, shared experts
  bool covers_routed;  ///< routed experts
  RankFunction* ranks;
};

/// The one list of rules (rank_rules.cpp).
[[nodiscard]] std::span<const RankRule> rank_rules() noexcept;

/// Null when there is none of that name.
[[nodiscard]] const RankRule* rank_rule_named(std::string_view name) noexcept;

/// The published rule for average rank 16 (k = 2) or 32 (k = 3), quirks included: κ rounded half
/// to even; 0 below 1, 2^(κ+k) up to 9, 1024 above. So 9 gives 2048 or 4096, more than 10 does,
/// and the average over Mixtral is about 22 or 35 instead of 16 or 32.
[[nodiscard]] std::size_t published_kurtosis_rank(double excess_kurtosis, int k);

/// Largest rank worth storing: the factors hold fewer numbers than the matrix.
[[nodiscard]] std::size_t rank_cap(const MatrixSpec& matrix) noexcept;

}  // namespace trine::plan
