#include "plan/expert_order.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace trine::plan {

std::vector<std::size_t> expert_order(std::span<const double> scores, MoreBitsTo more_bits_to) {
  check(std::all_of(scores.begin(), scores.end(), [](double s) { return std::isfinite(s); }),
        "expert_order: a score is not finite");
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return more_bits_to == MoreBitsTo::kLowest ? scores[a] < scores[b] : scores[a] > scores[b];
  });
  return order;
}

Result<std::vector<std::size_t>> promote_wide_experts(std::span<const std::size_t> order,
                                                      std::span<const double> max_variances,
                                                      double zeta) {
  check(order.size() == max_variances.size(), "promote_wide_experts: one variance per expert");
  if (!(zeta >= 1.0)) {
    return fail(ErrorCode::kInvalidArgument, "zeta is {}, expected 1 or more", zeta);
  }
  // Without this, 0 · ∞ of a constant expert would compare as NaN does: correct, by accident.
  std::vector<std::size_t> current(order.begin(), order.end());
  if (std::isinf(zeta)) return current;
  for (std::size_t rank = order.size(); rank-- > 0;) {
    const std::size_t expert = order[rank];
    const auto own = std::find(current.begin(), current.end(), expert);
    const auto place = std::find_if(current.begin(), own, [&](std::size_t other) {
      return zeta * max_variances[other] < max_variances[expert];
    });
    std::rotate(place, own, own == current.end() ? own : own + 1);
  }
  return current;
}

}  // namespace trine::plan
