// Everything an allocator may look at, and the list of allocators.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/matrix_plan.h"
#include "core/model_spec.h"
#include "plan/expert_counts.h"
#include "plan/expert_scores.h"
#include "plan/plan.h"

namespace trine::plan {

struct AllocatorInputs {
  MatrixPlan matrix{};                ///< of every matrix, unless a rule below says otherwise
  std::optional<MatrixPlan> dense{};  ///< dense-sparse: attention, dense and shared experts

  // expert-mixed
  int attention_bits = 4;            ///< of attention, dense feed-forwards, shared experts
  std::string score = "combined";    ///< a name of expert_scores.cpp
  std::vector<int> levels{4, 3, 2};  ///< bits, highest first; two or three
  double average_bits = 3.0;         ///< of the routed experts of every layer; codes alone
  CountRule count_rule = CountRule::kPaper;
  ScoreInputs score_inputs{};

  // error
  std::optional<std::uint64_t> budget_bytes{};  ///< of the compressed matrices
  int least_bits = 2;                           ///< no matrix gets fewer
  int most_bits = 8;                            ///< nor more
};

/// A Plan for `spec` that passes check_plan; kInvalidArgument says what is wrong or missing.
using Allocate = Result<Plan>(const ModelSpec& spec, const AllocatorInputs& inputs);

/// Plan by the allocator of that name; kUnsupported lists the known ones (registry.cpp).
[[nodiscard]] Result<Plan> allocate(std::string_view allocator, const ModelSpec& spec,
                                    const AllocatorInputs& inputs);

/// Mean bits of the codes of the routed experts of every layer that has some, by layer.
[[nodiscard]] std::map<std::size_t, double> average_expert_bits(const ModelSpec& spec,
                                                                const Plan& plan);

}  // namespace trine::plan
