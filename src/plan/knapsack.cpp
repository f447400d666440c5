#include "plan/knapsack.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace trine::plan {
namespace {

constexpr std::uint64_t kMostCells = std::uint64_t{1} << 28;
constexpr double kNever = std::numeric_limits<double>::infinity();

using Items = std::span<const std::vector<KnapsackChoice>>;

/// Indices of the choices of one item that no other one beats in both bytes and cost, by bytes.
std::vector<std::size_t> undominated(const std::vector<KnapsackChoice>& choices) {
  std::vector<std::size_t> order(choices.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (choices[a].bytes != choices[b].bytes) return choices[a].bytes < choices[b].bytes;
    return choices[a].cost < choices[b].cost;
  });
  std::vector<std::size_t> kept;
  for (const std::size_t index : order) {
    if (kept.empty() || choices[index].cost < choices[kept.back()].cost) kept.push_back(index);
  }
  return kept;
}

/// One item as the solver sees it: undominated choices, smallest first.
struct Item {
  const std::vector<KnapsackChoice>* choices = nullptr;
  std::vector<std::size_t> kept{};

  [[nodiscard]] const KnapsackChoice& at(std::size_t position) const {
    return (*choices)[kept[position]];
  }
};

/// Slopes of the lower convex hull of one item: cost saved per byte, with the bytes it takes.
struct HullStep {
  double saved_per_byte = 0.0;
  std::uint64_t bytes = 0;
};

void add_hull_steps(const Item& item, std::vector<HullStep>& steps) {
  std::size_t from = 0;
  while (from + 1 < item.kept.size()) {
    std::size_t best = from + 1;
    double best_slope = -1.0;
    for (std::size_t to = from + 1; to < item.kept.size(); ++to) {
      const double slope = (item.at(from).cost - item.at(to).cost) /
                           static_cast<double>(item.at(to).bytes - item.at(from).bytes);
      if (slope >= best_slope) {
        best_slope = slope;
        best = to;
      }
    }
    steps.push_back({best_slope, item.at(best).bytes - item.at(from).bytes});
    from = best;
  }
}

/// Cost of the relaxation in which the last step may be taken in part.
double relaxed_cost(const std::vector<Item>& items, std::uint64_t budget) {
  double cost = 0.0;
  std::vector<HullStep> steps;
  for (const Item& item : items) {
    cost += item.at(0).cost;
    budget -= item.at(0).bytes;
    add_hull_steps(item, steps);
  }
  std::stable_sort(steps.begin(), steps.end(), [](const HullStep& a, const HullStep& b) {
    return a.saved_per_byte > b.saved_per_byte;
  });
  for (const HullStep& step : steps) {
    const std::uint64_t taken = std::min(step.bytes, budget);
    cost -= step.saved_per_byte * static_cast<double>(taken);
    budget -= taken;
  }
  return std::max(cost, 0.0);
}

/// Smallest unit in which the table stays small; sizes are multiples of it when it is the common
/// divisor of all sizes beyond the smallest ones.
std::uint64_t unit_of(const std::vector<Item>& items, std::uint64_t room) {
  std::uint64_t unit = 0;
  for (const Item& item : items) {
    for (std::size_t i = 1; i < item.kept.size(); ++i) {
      unit = std::gcd(unit, item.at(i).bytes - item.at(0).bytes);
    }
  }
  unit = std::max<std::uint64_t>(unit, 1);
  const std::uint64_t most_units = std::max<std::uint64_t>(kMostCells / items.size(), 1);
  return std::max(unit, (room + most_units - 1) / most_units);
}

/// Positions chosen by dynamic programming over `room` bytes beyond the smallest choices.
std::vector<std::size_t> choose(const std::vector<Item>& items, std::uint64_t room) {
  const std::uint64_t unit = unit_of(items, room);
  const std::size_t width = static_cast<std::size_t>(room / unit) + 1;
  std::vector<double> best(width, 0.0), next(width);
  std::vector<std::vector<std::uint8_t>> taken(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    taken[i].resize(width);
    std::fill(next.begin(), next.end(), kNever);
    const std::size_t count = std::min<std::size_t>(items[i].kept.size(), 255);
    for (std::size_t position = 0; position < count; ++position) {
      const KnapsackChoice& choice = items[i].at(position);
      const std::uint64_t extra = choice.bytes - items[i].at(0).bytes;
      const auto units = static_cast<std::size_t>((extra + unit - 1) / unit);
      for (std::size_t at = units; at < width; ++at) {
        const double cost = best[at - units] + choice.cost;
        if (cost < next[at]) {
          next[at] = cost;
          taken[i][at] = static_cast<std::uint8_t>(position);
        }
      }
    }
    best.swap(next);
  }
  std::vector<std::size_t> chosen(items.size());
  std::size_t at = width - 1;
  for (std::size_t i = items.size(); i-- > 0;) {
    chosen[i] = taken[i][at];
    const std::uint64_t extra = items[i].at(chosen[i]).bytes - items[i].at(0).bytes;
    at -= static_cast<std::size_t>((extra + unit - 1) / unit);
  }
  return chosen;
}

/// Spends what is left of the room where a byte saves most, until nothing fits.
void spend_rest(const std::vector<Item>& items, std::vector<std::size_t>& chosen,
                std::uint64_t left) {
  while (true) {
    double best_slope = 0.0;
    std::size_t best_item = 0, best_position = 0;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const KnapsackChoice& now = items[i].at(chosen[i]);
      for (std::size_t to = chosen[i] + 1; to < items[i].kept.size(); ++to) {
        const std::uint64_t extra = items[i].at(to).bytes - now.bytes;
        if (extra > left) break;
        const double slope = (now.cost - items[i].at(to).cost) / static_cast<double>(extra);
        if (slope > best_slope) {
          best_slope = slope;
          best_item = i;
          best_position = to;
        }
      }
    }
    if (best_slope == 0.0) return;
    left -=
        items[best_item].at(best_position).bytes - items[best_item].at(chosen[best_item]).bytes;
    chosen[best_item] = best_position;
  }
}

}  // namespace

Result<KnapsackResult> solve_knapsack(Items choices, std::uint64_t budget_bytes) {
  std::vector<Item> items;
  std::uint64_t smallest = 0;
  for (const auto& item : choices) {
    check(!item.empty(), "solve_knapsack: an item has no choice");
    items.push_back({&item, undominated(item)});
    smallest += items.back().at(0).bytes;
  }
  if (smallest > budget_bytes) {
    return fail(ErrorCode::kInvalidArgument,
                "the budget of {} bytes is too small: the smallest choices take {} bytes",
                budget_bytes, smallest);
  }
  KnapsackResult result{.lower_bound = relaxed_cost(items, budget_bytes)};
  std::vector<std::size_t> chosen = choose(items, budget_bytes - smallest);
  std::uint64_t used = 0;
  for (std::size_t i = 0; i < items.size(); ++i) used += items[i].at(chosen[i]).bytes;
  spend_rest(items, chosen, budget_bytes - used);
  for (std::size_t i = 0; i < items.size(); ++i) {
    result.chosen.push_back(items[i].kept[chosen[i]]);
    result.bytes += items[i].at(chosen[i]).bytes;
    result.cost += items[i].at(chosen[i]).cost;
  }
  return result;
}

}  // namespace trine::plan
