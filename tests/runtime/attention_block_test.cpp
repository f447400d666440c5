// Norms and clipping between projection and attention, against the formulas in double.
#include "runtime/attention_block.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "support/expect_error.h"
#include "support/memory_weights.h"

namespace trine::runtime {
namespace {

using testing_support::MemoryWeights;
using testing_support::random_normal;
using testing_support::sentence;

struct BlockCase {
  const char* name;
  std::optional<double> clip_qkv;
  std::size_t norm_size;  ///< 0: no norms
};

using Rows = std::vector<std::vector<double>>;

class AttentionBlockTest : public testing::TestWithParam<BlockCase> {
 public:
  static constexpr std::size_t kHidden = 12, kHeads = 2, kDim = 4, kTokens = 5;
  static constexpr std::size_t kWidth = kHeads * kDim;
  static constexpr double kEps = 0.1;  // large, so that a forgotten eps shows

 protected:
  AttentionBlockTest() {
    model_ = {.hidden_size = kHidden,
              .num_attention_heads = kHeads,
              .num_key_value_heads = kHeads,
              .head_dim = kDim,
              .v_head_dim = kDim,
              .norm_eps = kEps,
              // Nothing is turned: rotation has its own tests.
              .rope = {.rotary_dim = kDim, .frequencies = {0.0f, 0.0f}}};
    LayerSpec& layer = model_.layers.emplace_back();
    AttentionSpec& attention = layer.attention;
    attention.softmax_scale = 0.5;
    attention.clip_qkv = GetParam().clip_qkv;
    attention.q_proj = add("q", kWidth, kHidden);
    attention.k_proj = add("k", kWidth, kHidden);
    attention.v_proj = add("v", kWidth, kHidden);
    attention.o_proj = add("o", kHidden, kWidth);
    if (GetParam().norm_size == 0) return;
    attention.norm_is_per_head = GetParam().norm_size == kDim;
    attention.q_norm.weight = add_vector("q_norm", GetParam().norm_size);
    attention.k_norm.weight = add_vector("k_norm", GetParam().norm_size);
  }
  MatrixSpec add(const std::string& name, std::size_t out, std::size_t in) {
    numbers_[name] = random_normal(out * in, numbers_.size() + 1, 0.4);
    source_.set(name, DType::kF32, {out, in}, numbers_[name]);
    return {.name = name, .out_features = out, .in_features = in};
  }
  VectorSpec add_vector(const std::string& name, std::size_t size) {
    numbers_[name] = random_normal(size, numbers_.size() + 1);
    source_.set(name, DType::kF32, {size}, numbers_[name]);
    return {.name = name, .size = size};
  }
  [[nodiscard]] Rows product(const std::string& name, const Rows& inputs) const {
    const auto& weights = numbers_.at(name);
    const std::size_t in = inputs.front().size(), out = weights.size() / in;
    Rows outputs(inputs.size(), std::vector<double>(out));
    for (std::size_t token = 0; token < inputs.size(); ++token) {
      for (std::size_t place = 0; place < weights.size(); ++place) {
        outputs[token][place / in] += weights[place] * inputs[token][place % in];
      }
    }
    return outputs;
  }
  /// A projection, normalised in parts of norm_size, then clipped.
  [[nodiscard]] Rows projected(const std::string& name, const Rows& inputs) const {
    Rows rows = product(name, inputs);
    const std::size_t part = name == "v" ? 0 : GetParam().norm_size;
    for (std::vector<double>& row : rows) {
      for (std::size_t first = 0; part > 0 && first < row.size(); first += part) {
        double squares = 0.0;
        for (std::size_t i = first; i < first + part; ++i) squares += row[i] * row[i];
        const double root = std::sqrt(squares / static_cast<double>(part) + kEps);
        for (std::size_t i = 0; i < part; ++i) {
          row[first + i] *= numbers_.at(name + "_norm")[i] / root;
        }
      }
      const double most = GetParam().clip_qkv.value_or(1e9);
      for (double& value : row) value = std::clamp(value, -most, most);
    }
    return rows;
  }
  [[nodiscard]] Rows expected(const Rows& inputs) const {
    const Rows q = projected("q", inputs), k = projected("k", inputs),
               v = projected("v", inputs);
    Rows attended(inputs.size(), std::vector<double>(kWidth));
    for (std::size_t place = 0; place < inputs.size() * kHeads; ++place) {
      const std::size_t token = place / kHeads, first = place % kHeads * kDim;
      double sum = 0.0;
      for (std::size_t seen = 0; seen <= token; ++seen) {
        double score = 0.0;
        for (std::size_t i = first; i < first + kDim; ++i) score += q[token][i] * k[seen][i];
        const double weight = std::exp(0.5 * score);
        sum += weight;
        for (std::size_t i = first; i < first + kDim; ++i) {
          attended[token][i] += weight * v[seen][i];
        }
      }
      for (std::size_t i = first; i < first + kDim; ++i) attended[token][i] /= sum;
    }
    return product("o", attended);
  }

  ModelSpec model_;
  MemoryWeights source_;
  std::map<std::string, std::vector<float>> numbers_;
};

TEST_P(AttentionBlockTest, AgreesWithItsFormula) {
  const auto block = AttentionBlock::load(model_.layers[0].attention, model_, {}, source_);
  ASSERT_TRUE(block.has_value()) << sentence(block);
  const auto inputs = random_normal(kTokens * kHidden, 50);
  const std::vector<std::int32_t> ids(kTokens);
  Compute compute(*kernels::runnable_tables().front(), 1);
  RotaryTable rotary(model_.rope);
  KvCache cache(model_);
  // The first two tokens together, then the rest: what is kept must be ready for use.
  std::vector<float> outputs;
  for (const auto& [first, count] : {std::pair<std::size_t, std::size_t>{0, 2}, {2, 3}}) {
    std::vector<TokenPosition> positions;
    for (std::size_t i = 0; i < count; ++i) positions.push_back({first + i, first + count});
    rotary.set_positions(positions);
    const SequenceStep step{std::span(ids).subspan(first, count), &cache};
    const auto part = block->apply(compute, rotary, std::span(&step, 1),
                                   inputs.data() + first * kHidden, count);
    outputs.insert(outputs.end(), part.begin(), part.end());
    cache.advance(count);
  }
  Rows rows;
  for (std::size_t token = 0; token < kTokens; ++token) {
    const auto begin = inputs.begin() + static_cast<std::ptrdiff_t>(token * kHidden);
    rows.emplace_back(begin, begin + kHidden);
  }
  const Rows wanted = expected(rows);
  for (std::size_t place = 0; place < outputs.size(); ++place) {
    // Projections (below 6) are off by 14 ulp of at most 15; a score of four products then by
    // 4 · 2 · 6 · 210 ulp, halved: 5 000 ulp, which a weight takes on relatively, twice (sum and
    // share). Values below 6 and eight products with weights around 0.4 make that 200 000 ulp if
    // all went one way; they do not, so a tenth is plenty.
    EXPECT_NEAR(outputs[place], wanted[place / kHidden][place % kHidden], 20'000 * 0x1p-24);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, AttentionBlockTest,
    testing::Values(BlockCase{"Plain", {}, 0}, BlockCase{"Clipped", 0.5, 0},
                    BlockCase{"NormPerHead", {}, AttentionBlockTest::kDim},
                    BlockCase{"NormOverAllHeads", {}, AttentionBlockTest::kWidth},
                    BlockCase{"NormThenClip", 0.5, AttentionBlockTest::kWidth}),
    [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace trine::runtime
