// Experts, shared expert and activations against their formulas in double.
#include "runtime/experts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "support/expect_error.h"
#include "support/fp32.h"
#include "support/memory_weights.h"

namespace trine::runtime {
namespace {

using testing_support::expect_error;
using testing_support::kUlp;
using testing_support::MemoryWeights;
using testing_support::random_normal;
using testing_support::sentence;

/// Matrices under short names, their numbers at hand.
class ExpertsTest : public testing::Test {
 protected:
  static constexpr std::size_t kHidden = 16, kWidth = 24, kExperts = 4, kTokens = 9;

  MatrixSpec add(const std::string& name, std::size_t out, std::size_t in, double deviation) {
    numbers_[name] = random_normal(out * in, numbers_.size(), deviation);
    source_.set(name, DType::kF32, {out, in}, numbers_[name]);
    return {.name = name, .out_features = out, .in_features = in};
  }
  ExpertSpec add_expert(const std::string& name) {
    return {.gate_proj = add(name + ".gate", kWidth, kHidden, 0.5),
            .up_proj = add(name + ".up", kWidth, kHidden, 0.5),
            .down_proj = add(name + ".down", kHidden, kWidth, 0.2)};
  }
  MoeSpec add_experts() {
    MoeSpec moe;
    moe.router = {.matrix = add("router", kExperts, kHidden, 1.0),
                  .experts_per_token = 2,
                  .renormalises = true};
    for (std::size_t i = 0; i < kExperts; ++i) {
      moe.experts.push_back(add_expert(std::to_string(i)));
    }
    return moe;
  }
  [[nodiscard]] double dot(const std::string& name, std::size_t row,
                           const std::vector<double>& input) const {
    double sum = 0.0;
    for (std::size_t i = 0; i < input.size(); ++i) {
      sum += numbers_.at(name)[row * input.size() + i] * input[i];
    }
    return sum;
  }
  /// down · activation(gate · x, up · x)
  [[nodiscard]] std::vector<double> expected_mlp(const std::string& name,
                                                 const std::vector<double>& x) const {
    std::vector<double> inner(kWidth), output(kHidden);
    for (std::size_t i = 0; i < kWidth; ++i) {
      const double up = dot(name + ".up", i, x);
      if (model_.activation == Activation::kRelu) {
        inner[i] = std::max(up, 0.0);
        continue;
      }
      const double gate = dot(name + ".gate", i, x);
      if (model_.activation == Activation::kSilu) {
        inner[i] = gate / (1.0 + std::exp(-gate)) * up;
      } else {
        const double limit = model_.activation_limit, limited = std::min(gate, limit);
        inner[i] = limited / (1.0 + std::exp(-1.702 * limited)) *
                   (std::clamp(up, -limit, limit) + 1.0);
      }
    }
    for (std::size_t i = 0; i < kHidden; ++i) output[i] = dot(name + ".down", i, inner);
    return output;
  }
  [[nodiscard]] std::vector<double> token(std::size_t index) const {
    const auto begin = inputs_.begin() + static_cast<std::ptrdiff_t>(index * kHidden);
    return {begin, begin + kHidden};
  }

  /// Runs `moe` and compares every token: the chosen experts' weighted sum plus `gate(x)` times
  /// the shared expert.
  template <class Gate>
  void expect_agreement(const MoeSpec& moe, const Gate& gate) {
    const auto experts = Experts::load(moe, model_, source_);
    ASSERT_TRUE(experts.has_value()) << sentence(experts);
    std::vector<float> outputs;
    const Routing routing = experts->apply(compute_, inputs_.data(), kTokens, outputs);
    ASSERT_EQ(outputs.size(), kTokens * kHidden);
    for (std::size_t t = 0; t < kTokens; ++t) {
      const auto x = token(t);
      std::vector<double> expected(kHidden);
      for (std::size_t slot = 2 * t; slot < 2 * t + 2; ++slot) {
        const auto part = expected_mlp(std::to_string(routing.experts[slot]), x);
        for (std::size_t i = 0; i < kHidden; ++i)
          expected[i] += routing.weights[slot] * part[i];
      }
      if (moe.shared_expert) {
        const auto part = expected_mlp("shared", x);
        for (std::size_t i = 0; i < kHidden; ++i) expected[i] += gate(x) * part[i];
      }
      for (std::size_t i = 0; i < kHidden; ++i) {
        EXPECT_NEAR(outputs[t * kHidden + i], expected[i], kTolerance) << "token " << t;
      }
    }
  }

  // Gate and up are sums of 16 products around 0.5 · 1 (below 10 in all), off by 18 ulp each of
  // at most 10 · their absolute sum (below 30): 540 ulp. Their product (below 30, slope below 10)
  // is off by 10 · 540 ulp in either factor, and 24 of them times 0.2 add up to below 60 000 ulp;
  // the rest (activation, weights, sums) is far smaller.
  static constexpr double kTolerance = 60'000 * kUlp;

  ModelSpec model_{};
  MemoryWeights source_;
  std::map<std::string, std::vector<float>> numbers_;
  std::vector<float> inputs_ = random_normal(kTokens * kHidden, 100);
  Compute compute_{*kernels::runnable_tables().front(), 2};
};

TEST_F(ExpertsTest, AreSummedByWeight) {
  expect_agreement(add_experts(), [](const auto&) { return 0.0; });
}

TEST_F(ExpertsTest, HaveASharedOneForEveryToken) {
  MoeSpec moe = add_experts();
  moe.shared_expert = add_expert("shared");
  expect_agreement(moe, [](const auto&) { return 1.0; });
}

TEST_F(ExpertsTest, MayGateTheSharedOne) {
  MoeSpec moe = add_experts();
  moe.shared_expert = add_expert("shared");
  moe.shared_expert_gate = add("shared.router", 1, kHidden, 1.0);
  expect_agreement(
      moe, [&](const auto& x) { return 1.0 / (1.0 + std::exp(-dot("shared.router", 0, x))); });
}

TEST_F(ExpertsTest, MayClampTheirGates) {
  model_.activation = Activation::kClampedSwish;
  model_.activation_limit = 1.0;  // of gates and ups around 2: often reached
  expect_agreement(add_experts(), [](const auto&) { return 0.0; });
}

TEST_F(ExpertsTest, MayHaveNoGate) {
  model_.activation = Activation::kRelu;
  MoeSpec moe = add_experts();
  for (ExpertSpec& expert : moe.experts) expert.gate_proj = {};
  expect_agreement(moe, [](const auto&) { return 0.0; });
  const double expert = 2.0 * kWidth * kHidden * 4, router = 4.0 * kExperts * kHidden;
  EXPECT_EQ(Experts::load(moe, model_, source_)->active_bytes(), 2 * expert + router);
}

TEST_F(ExpertsTest, CountTheBytesOneTokenNeeds) {
  MoeSpec moe = add_experts();
  const double expert = 3.0 * kWidth * kHidden * 4, router = 4.0 * kExperts * kHidden;
  EXPECT_EQ(Experts::load(moe, model_, source_)->active_bytes(), 2 * expert + router);
  moe.shared_expert = add_expert("shared");
  EXPECT_EQ(Experts::load(moe, model_, source_)->active_bytes(), 3 * expert + router);
}

TEST_F(ExpertsTest, NameWhatIsMissing) {
  MoeSpec moe = add_experts();
  moe.router.selection_bias = {.name = "bias", .size = kExperts};
  expect_error(Experts::load(moe, model_, source_), ErrorCode::kNotFound, {"bias"});
  moe.router.selection_bias = {};
  moe.shared_expert = add_expert("shared");
  source_.remove("shared.up");
  expect_error(Experts::load(moe, model_, source_), ErrorCode::kNotFound, {"shared.up"});
}

}  // namespace
}  // namespace trine::runtime
