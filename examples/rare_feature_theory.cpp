// Re-runs the setting of arXiv 2604.06515, §4, and checks what the theory says about it: experts
// of rare features have the smaller router-norm change and the smaller margin, so they need more
// bits, and a plan that gives them those beats the plans that do not. Exit code 1 when a check
// fails.
//
// This shows that the rule works where its assumptions hold, not that they hold elsewhere. The
// setting (mixture.h), its levels of 9 and 7 bits and the end of training were chosen with seeds
// 1 to 3; seeds 4 to 12 confirm every claim (errors at a share of 0.1: rare-first 0.011, uniform
// 0.096, random 0.108, hot-first 0.159). At 7 and 5 bits rare experts are beyond saving with
// either, and uniform bits are ahead (0.214 against 0.226).
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <span>
#include <string>

#include "mixture.h"
#include "plan/expert_counts.h"
#include "plan/expert_order.h"
#include "stored_mixture.h"

namespace trine::examples {
namespace {

constexpr int kPerFeature = 100;    ///< sequences a mixture is tested with
constexpr double kInflation = 8.0;  ///< of one frequent expert: noise worth three bits
constexpr int kFewestBits = 3;      ///< of the curve: with fewer, outputs are near chance
constexpr int kMostBits = 11;
constexpr std::array kLevels = {9, 7};
constexpr int kAverage = 8;             ///< half of the experts on each level
constexpr double kWiderAverage = 8.25;  ///< five of the eight on the high one

/// A test sequence; routers are not rounded, so the choices stay.
struct Tested {
  Sequence sequence{};
  std::array<Choice, kExperts> choices{};
  double output = 0.0;
};

std::vector<Tested> tested(const Mixture& mixture, base::Random& random) {
  std::vector<Tested> result;
  for (std::size_t i = 0; i < kFeatures * kPerFeature; ++i) {
    Tested& test = result.emplace_back();
    test.sequence = random_sequence(i % kFeatures, random);
    for (std::size_t expert = 0; expert < kExperts; ++expert) {
      test.choices[expert] = mixture.choose(expert, test.sequence);
    }
    test.output = mixture.output(test.sequence);
  }
  return result;
}

/// What rounding did: sums over sequences.
struct Outcome {
  double sequences = 0.0, errors = 0.0, shift = 0.0;
  double violations = 0.0;  ///< sequences that moved by more than the certificate allows

  void add(const Outcome& other) {
    sequences += other.sequences;
    errors += other.errors;
    shift += other.shift;
    violations += other.violations;
  }
  [[nodiscard]] double error_rate() const { return errors / sequences; }
};

Outcome outcome(StoredMixture& stored, std::span<const int> bits,
                std::span<const Tested> tests) {
  Outcome result;
  for (const Tested& test : tests) {
    double output = 0.0, bound = 0.0;
    for (std::size_t expert = 0; expert < kExperts; ++expert) {
      const Rounded& rounded = stored.rounded(expert, bits[expert]);
      const Choice& choice = test.choices[expert];
      for (std::size_t i = 0; i < kTaken; ++i) {
        output += choice.gates[i] * rounded.outputs[choice.tokens[i]];
        bound += choice.gates[i] * rounded.bounds[choice.tokens[i]];
      }
    }
    const double shift = std::fabs(output - test.output);
    result.sequences += 1.0;
    result.errors += test.sequence.label() * output <= 0.0 ? 1.0 : 0.0;
    result.shift += shift;
    result.violations += shift > bound * (1.0 + 1e-9) ? 1.0 : 0.0;
  }
  return result;
}

enum Arrangement { kRareFirst, kHotFirst, kChance, kUniform, kRouterOnly, kCombined, kNumber };

/// Everything measured for one rare share, summed over seeds and bases.
struct Measured {
  double lowest_ratio = 1e300, highest_ratio = 0.0;      ///< margin frequent : rare
  double rare_change = -1e300, frequent_change = 1e300;  ///< largest and smallest Λ
  std::array<Outcome, kNumber> plans{};
  std::array<Outcome, kMostBits + 1> uniform{};  ///< by bits
};

void note_training(const Training& training, std::span<const Tested> tests,
                   Measured& measured) {
  double frequent = 0.0, rare = 0.0;
  for (const Tested& test : tests) {
    (is_rare(test.sequence.feature) ? rare : frequent) += test.sequence.label() * test.output;
  }
  measured.lowest_ratio = std::min(measured.lowest_ratio, frequent / rare);
  measured.highest_ratio = std::max(measured.highest_ratio, frequent / rare);
  for (std::size_t expert = 0; expert < kExperts; ++expert) {
    const double change = training.norm_changes[expert];
    double& bound = is_rare(expert) ? measured.rare_change : measured.frequent_change;
    bound = is_rare(expert) ? std::max(bound, change) : std::min(bound, change);
  }
}

std::vector<int> planned(std::span<const std::size_t> order, double average_bits) {
  const auto counts = plan::expert_counts(kExperts, kLevels, average_bits);
  return counts.value().bits_by_expert(order);
}

/// The orders at equal average bits, and every expert at every number of bits.
void measure_plain(double rare_share, std::uint64_t seed, int bases, Measured& measured) {
  const Training training = train(rare_share, 1.0, seed);
  base::Random random(seed + 1000);
  const std::vector<Tested> tests = tested(training.mixture, random);
  note_training(training, tests, measured);
  using plan::MoreBitsTo;
  const auto rare = plan::expert_order(training.norm_changes, MoreBitsTo::kLowest);
  const auto hot = plan::expert_order(training.norm_changes, MoreBitsTo::kHighest);
  for (int i = 0; i < bases; ++i) {
    StoredMixture stored(training.mixture, random_basis(random));
    std::vector<double> draws(kExperts);
    for (double& draw : draws) draw = random.uniform();
    const auto chance = plan::expert_order(draws, MoreBitsTo::kLowest);
    auto& plans = measured.plans;
    plans[kRareFirst].add(outcome(stored, planned(rare, kAverage), tests));
    plans[kHotFirst].add(outcome(stored, planned(hot, kAverage), tests));
    plans[kChance].add(outcome(stored, planned(chance, kAverage), tests));
    for (int bits = kFewestBits; bits <= kMostBits; ++bits) {
      const std::vector<int> same(kExperts, bits);
      measured.uniform[static_cast<std::size_t>(bits)].add(outcome(stored, same, tests));
    }
  }
  measured.plans[kUniform] = measured.uniform[kAverage];
}

/// One frequent expert has wide rows. There are high bits for one expert more than there are
/// rare ones; without that one, promoting it takes a rare one's bits and gains little (0.071
/// errors instead of 0.073 at a share of 0.1).
void measure_inflated(double rare_share, std::uint64_t seed, int bases, Measured& measured) {
  const Training training = train(rare_share, kInflation, seed);
  base::Random random(seed + 2000);
  const std::vector<Tested> tests = tested(training.mixture, random);
  const auto router = plan::expert_order(training.norm_changes, plan::MoreBitsTo::kLowest);
  for (int i = 0; i < bases; ++i) {
    StoredMixture stored(training.mixture, random_basis(random));
    const auto combined =
        plan::promote_wide_experts(router, stored.max_variances(), plan::kDefaultZeta);
    auto& plans = measured.plans;
    plans[kRouterOnly].add(outcome(stored, planned(router, kWiderAverage), tests));
    plans[kCombined].add(outcome(stored, planned(combined.value(), kWiderAverage), tests));
  }
}

/// Prints the claim and whether it holds.
bool holds(bool is_true, const std::string& claim) {
  fmt::print("  {}  {}\n", is_true ? "holds" : "FAILS", claim);
  return is_true;
}

bool check_claims(double rare_share, const Measured& measured) {
  const auto rate = [&](Arrangement plan) { return measured.plans[plan].error_rate(); };
  const double theory = (1.0 - rare_share) / rare_share;
  bool all = holds(measured.rare_change < measured.frequent_change,
                   fmt::format("norm change: rare at most {:.3f}, frequent at least {:.3f}",
                               measured.rare_change, measured.frequent_change));
  all &= holds(measured.lowest_ratio > 0.7 * theory && measured.highest_ratio < 1.3 * theory,
               fmt::format("margins frequent : rare {:.2f} to {:.2f}, theory {:.2f} ± 30 %",
                           measured.lowest_ratio, measured.highest_ratio, theory));
  const std::string rates =
      fmt::format("errors: rare-first {:.4f}, hot-first {:.4f}, random {:.4f}, uniform {:.4f}",
                  rate(kRareFirst), rate(kHotFirst), rate(kChance), rate(kUniform));
  // The theory asks for a share below 1/4. Above it the levels lie further apart than its gap of
  // log2((1−α)/α) bits, 0.6 at 0.4: here 7 bits are enough for nearly all, so rare-first is only
  // not worse; with 8 and 6 bits uniform ones are ahead.
  const double others = std::min({rate(kHotFirst), rate(kChance), rate(kUniform)});
  const bool is_best =
      rare_share < 0.25 ? rate(kRareFirst) < others : rate(kRareFirst) <= others;
  all &= holds(is_best, rates);
  all &= holds(rate(kCombined) <= rate(kRouterOnly),
               fmt::format("errors with a wide expert: combined {:.4f}, router alone {:.4f}",
                           rate(kCombined), rate(kRouterOnly)));
  bool is_monotone = true;
  std::string curve;
  double violations = 0.0;
  for (std::size_t bits = kFewestBits; bits <= kMostBits; ++bits) {
    const Outcome& now = measured.uniform[bits];
    const Outcome& before = measured.uniform[bits - 1];
    curve += fmt::format(" {:.4f}", now.error_rate());
    if (bits == kFewestBits) continue;
    is_monotone &= now.error_rate() <= before.error_rate() && now.shift < before.shift;
  }
  for (const Outcome& one : measured.uniform) violations += one.violations;
  for (const Outcome& one : measured.plans) violations += one.violations;
  all &= holds(is_monotone,
               fmt::format("errors at {} to {} bits:{}", kFewestBits, kMostBits, curve));
  all &=
      holds(violations == 0.0, fmt::format("{:.0f} sequences beyond the certificate of {:.0f}",
                                           violations, measured.plans[kRareFirst].sequences));
  return all;
}

}  // namespace
}  // namespace trine::examples

/// rare_feature_theory [BASES]: how many roundings every mixture is tested with.
int main(int count, char** arguments) {
  using namespace trine::examples;
  const int bases = count > 1 ? std::atoi(arguments[1]) : 64;
  bool all = bases > 0;
  for (const double rare_share : {0.1, 0.2, 0.4}) {
    Measured measured;
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      measure_plain(rare_share, seed, bases, measured);
      measure_inflated(rare_share, seed, bases, measured);
    }
    fmt::print("rare share {}, 3 seeds, {} roundings each\n", rare_share, bases);
    all &= check_claims(rare_share, measured);
  }
  return all ? 0 : 1;
}
