// Attention to an encoded input, against the definition in double.
#include "runtime/cross_attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "support/expect_error.h"
#include "support/memory_weights.h"

namespace trine::runtime {
namespace {

using testing_support::expect_error;
using testing_support::MemoryWeights;
using testing_support::random_normal;
using testing_support::sentence;

class CrossAttentionTest : public testing::Test {
 protected:
  static constexpr std::size_t kHidden = 10, kHeads = 3, kDim = 4, kWidth = kHeads * kDim;
  static constexpr double kEps = 0.1;

  CrossAttentionTest() {
    model_.hidden_size = kHidden;
    model_.num_attention_heads = kHeads;
    model_.num_key_value_heads = kHeads;
    model_.head_dim = kDim;
    model_.v_head_dim = kDim;
    model_.norm_eps = kEps;
    model_.layers.resize(2);
    spec_ = {.q_proj = add("q", kWidth, kHidden),
             .k_proj = add("k", kWidth, kHidden),
             .v_proj = add("v", kWidth, kHidden),
             .o_proj = add("o", kHidden, kWidth),
             .softmax_scale = 1.0};
    numbers_["norm"] = random_normal(kHidden, 9);
    source_.set("norm", DType::kF32, {kHidden}, numbers_["norm"]);
    spec_.norm.weight = {.name = "norm", .size = kHidden};
  }
  MatrixSpec add(const std::string& name, std::size_t out, std::size_t in) {
    numbers_[name] = random_normal(out * in, numbers_.size() + 1, 0.4);
    source_.set(name, DType::kF32, {out, in}, numbers_[name]);
    return {.name = name, .out_features = out, .in_features = in};
  }
  [[nodiscard]] std::vector<double> product(const std::string& name,
                                            const std::vector<double>& input) const {
    const auto& weights = numbers_.at(name);
    std::vector<double> output(weights.size() / input.size());
    for (std::size_t place = 0; place < weights.size(); ++place) {
      output[place / input.size()] += weights[place] * input[place % input.size()];
    }
    return output;
  }
  [[nodiscard]] std::vector<double> normed(std::vector<double> x) const {
    double squares = 0.0;
    for (const double value : x) squares += value * value;
    const double root = std::sqrt(squares / kHidden + kEps);
    for (std::size_t i = 0; i < kHidden; ++i) x[i] *= numbers_.at("norm")[i] / root;
    return x;
  }
  /// One token of the stream looking at all of `memory`, [tokens, kHidden].
  [[nodiscard]] std::vector<double> expected(
      const std::vector<double>& token, const std::vector<std::vector<double>>& memory) const {
    const auto query = product("q", normed(token));
    std::vector<double> attended(kWidth), sums(kHeads);
    for (const auto& encoded : memory) {
      const auto key = product("k", encoded), value = product("v", encoded);
      for (std::size_t head = 0; head < kHeads; ++head) {
        double score = 0.0;
        for (std::size_t i = head * kDim; i < (head + 1) * kDim; ++i)
          score += query[i] * key[i];
        sums[head] += std::exp(score);
        for (std::size_t i = head * kDim; i < (head + 1) * kDim; ++i) {
          attended[i] += std::exp(score) * value[i];
        }
      }
    }
    for (std::size_t i = 0; i < kWidth; ++i) attended[i] /= sums[i / kDim];
    return product("o", attended);
  }

  ModelSpec model_;
  CrossAttentionSpec spec_;
  [[nodiscard]] static std::vector<std::vector<double>> rows_of(
      const std::vector<float>& values, std::size_t first, std::size_t count) {
    std::vector<std::vector<double>> rows;
    for (std::size_t row = first; row < first + count; ++row) {
      const auto begin = values.begin() + static_cast<std::ptrdiff_t>(row * kHidden);
      rows.emplace_back(begin, begin + kHidden);
    }
    return rows;
  }

  MemoryWeights source_;
  std::map<std::string, std::vector<float>> numbers_;
  Compute compute_{*kernels::runnable_tables().front(), 2};
};

TEST_F(CrossAttentionTest, LetsEveryTokenSeeAllOfItsOwnInput) {
  const auto cross = CrossAttention::load(spec_, model_, 1, source_);
  ASSERT_TRUE(cross.has_value()) << sentence(cross);
  // Two sequences: inputs of 5 and 2 tokens, then 1 and 3 tokens of the decoder.
  const std::vector<std::int32_t> ids(5);
  KvCache first(model_), second(model_);
  const auto encoded = random_normal(7 * kHidden, 50);
  const std::vector<SequenceStep> inputs = {{std::span(ids).first(5), &first},
                                            {std::span(ids).first(2), &second}};
  cross->remember(compute_, inputs, encoded.data(), 7);
  first.set_memory_length(5);
  second.set_memory_length(2);
  const auto stream = random_normal(4 * kHidden, 51);
  const std::vector<SequenceStep> steps = {{std::span(ids).first(1), &first},
                                           {std::span(ids).first(3), &second}};
  const auto outputs = cross->apply(compute_, steps, stream.data(), 4);
  ASSERT_EQ(outputs.size(), 4 * kHidden);
  for (std::size_t token = 0; token < 4; ++token) {
    const auto memory = token == 0 ? rows_of(encoded, 0, 5) : rows_of(encoded, 5, 2);
    const auto wanted = expected(rows_of(stream, token, 1).front(), memory);
    for (std::size_t i = 0; i < kHidden; ++i) {
      // Projections (below 6) are off by 12 ulp of at most 15, a score of four products by
      // 4 · 2 · 6 · 180 ulp, which a weight takes on relatively, twice; values below 6 and twelve
      // products of 0.4 make 500 000 ulp if all went one way. They do not: a tenth is plenty.
      EXPECT_NEAR(outputs[token * kHidden + i], wanted[i], 50'000 * 0x1p-24) << token;
    }
  }
}

TEST_F(CrossAttentionTest, NeedsOnlyQueriesAndOutputsPerToken) {
  EXPECT_EQ(CrossAttention::load(spec_, model_, 0, source_)->active_bytes(),
            2.0 * 4 * kWidth * kHidden);
}

TEST_F(CrossAttentionTest, NamesWhatIsMissing) {
  for (const char* name : {"norm", "q", "k", "v", "o"}) {
    MemoryWeights without = source_;
    without.remove(name);
    expect_error(CrossAttention::load(spec_, model_, 0, without), ErrorCode::kNotFound, {name});
  }
}

}  // namespace
}  // namespace trine::runtime
