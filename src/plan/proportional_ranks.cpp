#include "plan/proportional_ranks.h"

#include <algorithm>

namespace trine::plan {

std::vector<std::size_t> proportional_ranks(const std::vector<double>& weights,
                                            const std::vector<std::size_t>& caps, double total,
                                            std::size_t step) {
  const std::size_t count = weights.size();
  std::vector<double> shares(count, 0.0);
  std::vector<bool> is_full(count, false);
  const auto most = [&](std::size_t i) { return static_cast<double>(caps[i] / step * step); };
  // Whoever would exceed the cap has the cap; the rest share again, until nobody does.
  for (bool again = true; again;) {
    double left = total, sum = 0.0;
    for (std::size_t i = 0; i < count; ++i) {
      if (is_full[i]) left -= most(i);
      if (!is_full[i]) sum += weights[i];
    }
    again = false;
    for (std::size_t i = 0; i < count; ++i) {
      if (is_full[i]) continue;
      shares[i] = sum > 0.0 ? std::max(left, 0.0) * weights[i] / sum : 0.0;
      if (shares[i] <= most(i)) continue;
      shares[i] = most(i);
      is_full[i] = again = true;
    }
  }
  std::vector<std::size_t> ranks(count), order(count);
  std::size_t given = 0;
  for (std::size_t i = 0; i < count; ++i) {
    ranks[i] = static_cast<std::size_t>(shares[i]) / step * step;
    given += ranks[i];
    order[i] = i;
  }
  const auto remainder = [&](std::size_t i) {
    return shares[i] - static_cast<double>(ranks[i]);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return remainder(a) > remainder(b); });
  for (const std::size_t i : order) {
    const double missing = total - static_cast<double>(given);
    if (2.0 * missing < static_cast<double>(step)) break;
    if (weights[i] == 0.0 || ranks[i] + step > caps[i]) continue;
    ranks[i] += step;
    given += step;
  }
  return ranks;
}

}  // namespace trine::plan
