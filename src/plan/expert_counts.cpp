#include "plan/expert_counts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace trine::plan {
namespace {

std::string joined(std::span<const int> levels) {
  return fmt::format("{}", fmt::join(levels, "/"));
}

Status check_levels(std::span<const int> levels) {
  if (levels.size() != 2 && levels.size() != 3) {
    return fail(ErrorCode::kInvalidArgument, "levels has {} entries ({}), expected 2 or 3",
                levels.size(), joined(levels));
  }
  for (std::size_t i = 0; i < levels.size(); ++i) {
    if (levels[i] >= 1 && (i == 0 || levels[i] < levels[i - 1])) continue;
    return fail(ErrorCode::kInvalidArgument,
                "levels is {}, expected positive bits from the highest to the lowest",
                joined(levels));
  }
  if (levels.size() == 3 && levels[0] - levels[1] != levels[1] - levels[2]) {
    return fail(ErrorCode::kInvalidArgument,
                "levels is {}, expected three equally spaced ones such as 4/3/2",
                joined(levels));
  }
  return {};
}

/// Experts on the highest of three equally spaced levels. Above the lowest level the layer has
/// `steps` steps to hand out: a high expert takes two, a middle one takes one.
std::size_t num_high(std::size_t num_experts, std::size_t steps, std::span<const int> levels,
                     double average_bits, CountRule rule) {
  const double spread = levels[0] - levels[2];
  const double tripled = 3.0 * (levels[0] - average_bits);  // exact where the limits are hit
  const std::size_t fewest = steps > num_experts ? steps - num_experts : 0;
  if (tripled < spread) return steps / 2;     // as many high ones as there can be
  if (tripled > 2.0 * spread) return fewest;  // as few low ones as there can be
  if (rule == CountRule::kCompat && fewest == 0) {
    // The published code starts from the fewest low experts and turns pairs of middle ones into
    // one high and one low; below the middle level it compares the number of pairs, not that
    // of low experts, with the middle ones that are left: pairs ≤ steps − 2·pairs.
    return steps / 3;
  }
  // Most high ones with no more low experts than middle ones:
  // num_experts − steps + high ≤ steps − 2·high.
  return std::max(fewest, (2 * steps - std::min(2 * steps, num_experts)) / 3);
}

}  // namespace

std::vector<int> ExpertCounts::bits_by_expert(std::span<const std::size_t> order) const {
  std::vector<int> bits(order.size(), levels.back());
  std::size_t position = 0;
  for (std::size_t level = 0; level < levels.size(); ++level) {
    for (std::size_t i = 0; i < counts[level]; ++i) bits[order[position++]] = levels[level];
  }
  check(position == order.size(), "bits_by_expert: the order has another number of experts");
  return bits;
}

Result<ExpertCounts> expert_counts(std::size_t num_experts, std::span<const int> levels,
                                   double average_bits, CountRule rule) {
  TRINE_RETURN_IF_ERROR(check_levels(levels));
  const int high = levels.front(), low = levels.back();
  if (!(average_bits >= low && average_bits <= high)) {
    return fail(
        ErrorCode::kInvalidArgument,
        "average_bits is {}, expected {} to {}, the lowest and the highest of levels {}",
        average_bits, low, high, joined(levels));
  }
  const int step = high - levels[1];
  // nearbyint rounds halves to even, as Python's round does.
  const auto steps = static_cast<std::size_t>(
      std::nearbyint((average_bits - low) / step * static_cast<double>(num_experts)));
  ExpertCounts result{.levels = {levels.begin(), levels.end()}};
  if (levels.size() == 2) {
    result.counts = {steps, num_experts - steps};
  } else {
    const std::size_t highest = num_high(num_experts, steps, levels, average_bits, rule);
    const std::size_t middle = steps - 2 * highest;
    result.counts = {highest, middle, num_experts - highest - middle};
  }
  double sum = 0.0;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    sum += levels[i] * static_cast<double>(result.counts[i]);
  }
  result.average_bits = sum / static_cast<double>(num_experts);
  return result;
}

}  // namespace trine::plan
