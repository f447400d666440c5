// Certain bounds against an opponent: random small models, and many changes of their inputs within
// the radius a bound was given, each better than the one before.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "eval/certificate.h"
#include "eval/certificate_blocks.h"
#include "eval/certificate_bounds.h"
#include "eval/certificate_layer.h"
#include "runtime/feed_forward.h"
#include "support/rounded_weights.h"

namespace trine::eval {
namespace {

using testing_support::MemoryWeights;
using testing_support::random_normal;
using testing_support::random_tokens;
using testing_support::random_weights;
using testing_support::RoundedWeights;
using testing_support::small_spec;

using Vector = std::vector<float>;

double distance(const Vector& left, const Vector& right) {
  Vector difference(left.size());
  for (std::size_t i = 0; i < left.size(); ++i) difference[i] = left[i] - right[i];
  return norm_of(difference);
}

/// The largest `effect` of a change of length `radius` found by climbing: random steps from a
/// random start, each kept when it helps.
double climb(std::size_t width, double radius, std::uint64_t seed,
             const std::function<double(const Vector&)>& effect) {
  constexpr int kSteps = 150;
  Vector best = random_normal(width, seed);
  double most = 0.0;
  for (int step = 0; step < kSteps; ++step) {
    Vector next = best;
    const Vector turn = random_normal(width, seed * 1000 + static_cast<std::uint64_t>(step));
    // Steps become finer: from as long as the change itself to a tenth of it.
    const double size = step == 0 ? 0.0 : std::pow(0.1, static_cast<double>(step) / kSteps);
    const double length = norm_of(best);
    for (std::size_t i = 0; i < width; ++i) {
      next[i] +=
          static_cast<float>(size * length / std::sqrt(static_cast<double>(width))) * turn[i];
    }
    // A millionth shorter, so that rounding to fp32 leaves it within the radius.
    const double shrink = radius * (1.0 - 1e-6) / norm_of(next);
    for (float& value : next) value = static_cast<float>(value * shrink);
    const double found = effect(next);
    if (found < most) continue;
    most = found;
    best = next;
  }
  return most;
}

Vector sum(const Vector& left, const Vector& right) {
  Vector result = left;
  for (std::size_t i = 0; i < result.size(); ++i) result[i] += right[i];
  return result;
}

class Adversary : public testing::TestWithParam<std::uint64_t> {
 protected:
  ModelSpec spec_ = small_spec();
  std::uint64_t seed_ = GetParam();
  MemoryWeights original_ = random_weights(spec_, seed_);
  RoundedWeights packed_{spec_, seed_, 3};
  ModelPair models_{spec_, original_, packed_.weights()};
  BoundSettings settings_{deviation_factor(0.01), deviation_factor(1e-6), 1.0, 1};
  LayerPair layer_ = LayerPair::load(models_, 0, settings_).value();
  const kernels::KernelTable& table_ = *kernels::runnable_tables().back();
};

TEST_P(Adversary, CannotMoveAnExpertFurtherThanItsBounds) {
  runtime::Compute compute(table_, 1);
  const ExpertSpec& expert = spec_.layers[0].moe->experts[0];
  const auto packed = runtime::FeedForward::load(expert, spec_, packed_.weights()).value();
  const auto original = runtime::FeedForward::load(expert, spec_, original_).value();
  const Vector input = random_normal(spec_.hidden_size, seed_ + 50);
  const Vector before = original.apply(compute, input.data(), 1);
  const Vector center = packed.apply(compute, input.data(), 1);
  for (const double radius : {0.01, 0.3, 3.0}) {
    PerKind radii;
    radii.fill(radius);
    const std::vector<Radii> moved = {Radii{radii}};
    RowTally tally;
    const PerKind bounds =
        bound_expert(compute, layer_.expert_pairs[0], input.data(), 1, moved, settings_, tally)
            .changes[0][0];
    const auto run = [&](const Vector& change) {
      return packed.apply(compute, sum(input, change).data(), 1);
    };
    const double around_packed =
        climb(spec_.hidden_size, radius, seed_,
              [&](const Vector& change) { return distance(run(change), center); });
    const double around_original =
        climb(spec_.hidden_size, radius, seed_ + 1,
              [&](const Vector& change) { return distance(run(change), before); });
    EXPECT_LE(around_packed, bounds[kBlockBound]) << radius;
    EXPECT_LE(around_original, bounds[kNormBound]) << radius;
    EXPECT_LE(around_original, bounds[kStepBound]) << radius;
    // What was seen and how far it can move from there: the sum the walk carries.
    EXPECT_LE(around_original, distance(center, before) + bounds[kBlockBound]) << radius;
    // Three singular values in a chain and the largest hidden unit: within a factor of 30.
    EXPECT_GT(around_packed, bounds[kBlockBound] / 30.0) << radius;
  }
}

/// One attention over a window, both models, any inputs.
struct AttentionRun {
  static constexpr std::size_t kTokens = 6;
  const ModelSpec& spec;
  runtime::Compute compute;
  runtime::RotaryTable rotary{spec.rope};
  std::vector<std::int32_t> ids = std::vector<std::int32_t>(kTokens, 1);

  AttentionRun(const ModelSpec& model, const kernels::KernelTable& table)
      : spec(model), compute(table, 1) {
    std::vector<runtime::TokenPosition> positions;
    for (std::size_t i = 0; i < kTokens; ++i) positions.push_back({i, kTokens});
    rotary.set_positions(positions);
  }
  Vector apply(const runtime::AttentionBlock& block, const Vector& inputs) {
    runtime::KvCache cache(spec, 1);
    const std::vector<runtime::SequenceStep> steps = {{ids, &cache}};
    return block.apply(compute, rotary, steps, inputs.data(), kTokens);
  }
};

/// Keeps what o_proj is given.
class Keeper final : public runtime::InputObserver {
 public:
  explicit Keeper(std::string name) : name_(std::move(name)) {}
  void observe(std::span<const runtime::LinearCall> calls, const float* inputs,
               std::size_t num_tokens) override {
    if (calls.front().linear->name() != name_) return;
    kept.assign(inputs, inputs + num_tokens * calls.front().linear->in_features());
  }
  Vector kept{};

 private:
  std::string name_;
};

TEST_P(Adversary, CannotMoveAnAttentionFurtherThanItsBounds) {
  AttentionRun run(spec_, table_);
  const std::size_t hidden = spec_.hidden_size;
  const Vector inputs = random_normal(AttentionRun::kTokens * hidden, seed_ + 60);
  std::array<Vector, 2> outputs, attended;
  for (std::size_t side = 0; side < 2; ++side) {
    Keeper keeper(layer_.o_proj.original.name());
    run.compute.set_input_observer(&keeper);
    outputs[side] = run.apply(layer_.attention[side], inputs);
    attended[side] = keeper.kept;
    run.compute.set_input_observer(nullptr);
  }
  const std::vector<WindowRows> windows = {{.first = 0, .count = AttentionRun::kTokens}};
  const std::size_t last = AttentionRun::kTokens - 1;
  const auto slice = [&](const Vector& values) {
    return Vector(values.end() - static_cast<std::ptrdiff_t>(hidden), values.end());
  };
  for (const double radius : {0.01, 0.3}) {
    // Every token of the window may move, which a change of length `radius` does not exhaust.
    PerKind radii;
    radii.fill(radius);
    const std::vector<Radii> moved = {Radii(AttentionRun::kTokens, radii)};
    RowTally tally;
    const PerKind bounds =
        bound_attention(run.compute, layer_, spec_,
                        {inputs.data(), attended[0].data(), attended[1].data(), windows}, moved,
                        settings_, tally)[0][last];
    const auto effect = [&](std::size_t side) {
      return [&, side](const Vector& change) {
        return distance(slice(run.apply(layer_.attention[1], sum(inputs, change))),
                        slice(outputs[side]));
      };
    };
    const double around_packed = climb(inputs.size(), radius, seed_ + 2, effect(1));
    const double around_original = climb(inputs.size(), radius, seed_ + 3, effect(0));
    EXPECT_LE(around_packed, bounds[kBlockBound]) << radius;
    EXPECT_LE(around_original, bounds[kNormBound]) << radius;
    EXPECT_LE(around_original, bounds[kStepBound]) << radius;
    EXPECT_GT(around_packed, 0.0);
  }
}

/// The bound of a decision is nearly reached: a little beyond the certified radius there is a state
/// that decides otherwise, within it there is none.
TEST_P(Adversary, FlipsADecisionOnlyBeyondItsRadius) {
  const BoundedNorm& norm = layer_.post_attention_norm;
  const std::size_t width = spec_.hidden_size;
  runtime::Compute compute(table_, 1);
  const Vector state = random_normal(width, seed_ + 70);
  const auto gap = [&](const Vector& stream) {
    Vector normed(width), logits(4);
    norm.norm().apply(stream.data(), 1, normed.data());
    runtime::multiply(compute,
                      std::array{runtime::LinearCall{&layer_.router.linear, logits.data()}},
                      normed.data(), 1);
    return double{logits[0]} - logits[1];
  };
  const double sign = gap(state) > 0.0 ? 1.0 : -1.0;
  const double longest = layer_.router.distance(0, 1);
  const double rounding =
      (layer_.router.roundings[0] + layer_.router.roundings[1]) * norm.largest_output();
  // The largest radius the certificate accepts, by halving.
  double low = 0.0, high = norm_of(state);
  for (int i = 0; i < 50; ++i) {
    const double middle = 0.5 * (low + high);
    const double change = longest * norm.radius_before_weights(state.data(), middle);
    (std::abs(gap(state)) > change + rounding ? low : high) = middle;
  }
  ASSERT_GT(low, 0.0);
  // The opponent knows the direction: against the difference of the rows, made orthogonal to the
  // state, since a norm ignores what only makes it longer.
  Vector direction(width);
  double along = 0.0, squares = 0.0;
  for (std::size_t i = 0; i < width; ++i) {
    direction[i] = layer_.router.scaled[width + i] - layer_.router.scaled[i];
    along += direction[i] * state[i];
    squares += state[i] * state[i];
  }
  for (std::size_t i = 0; i < width; ++i) {
    direction[i] = static_cast<float>(sign * (direction[i] - along / squares * state[i]));
  }
  const auto moved_by = [&](double radius) {
    Vector change = direction;
    const double factor = radius / norm_of(direction);
    for (float& value : change) value = static_cast<float>(value * factor);
    return sign * gap(sum(state, change));
  };
  EXPECT_GT(moved_by(low * (1.0 - 1e-6)), 0.0);
  const double worst = climb(width, low, seed_ + 4, [&](const Vector& change) {
    return std::abs(gap(state)) - sign * gap(sum(state, change));
  });
  EXPECT_LT(worst, std::abs(gap(state)));
  // A chord is at most 2/√3 longer than the sine it stands for below 60°, and the part along the
  // state is lost: for rows and states that are random together some tens of percent.
  EXPECT_LT(moved_by(1.6 * low), 0.0);
}

INSTANTIATE_TEST_SUITE_P(Models, Adversary, testing::Range<std::uint64_t>(1, 7));

/// Whole random models, all or part of them packed: every certain bound holds everywhere.
TEST(CertificateAdversary, HoldsForRandomModelsAndMixturesOfPackedMatrices) {
  const ModelSpec spec = small_spec();
  std::uint64_t certified = 0, flips = 0;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    const MemoryWeights original = random_weights(spec, seed);
    for (const int bits : {2, 4, 6, 8}) {
      base::Random random(seed * 10 + static_cast<std::uint64_t>(bits));
      const RoundedWeights packed(spec, seed, bits, [&](const MatrixSpec&) {
        return seed % 2 == 0 || random.uniform() < 0.5;
      });
      const auto certificate =
          certify(spec, original, packed.weights(), *kernels::runnable_tables().back(),
                  random_tokens(64, spec.vocab_size, seed), {.window = 16}, {});
      ASSERT_TRUE(certificate.has_value());
      EXPECT_EQ(certificate->violations(), 0u) << seed << " at " << bits;
      certified += certificate->top1_full.certified[kStateBound];
      flips += certificate->top1_full.flips;
    }
  }
  EXPECT_GT(certified, 0u);  // else nothing could have been violated
  EXPECT_GT(flips, 0u);
}

}  // namespace
}  // namespace trine::eval
