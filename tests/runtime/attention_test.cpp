// Attention against the textbook, one query at a time in double.
#include "runtime/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/random.h"
#include "kernels/kernel_table.h"
#include "support/fp32.h"

namespace trine::runtime {
namespace {

using testing_support::kUlp;

/// One sequence's place in a step.
struct Lengths {
  std::size_t past;
  std::size_t num_rows;
};

struct AttentionCase {
  const char* name;
  AttentionShape shape;
  std::vector<Lengths> sequences;
  std::vector<float> sinks{};  ///< empty, or one per head
};

std::vector<float> uniform_values(base::Random& random, std::size_t count) {
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(2.0 * random.uniform() - 1.0);
  return values;
}

/// Random queries, keys and values in [−1, 1) for the sequences of a case.
struct Step {
  AttentionShape shape;
  std::vector<AttentionRows> rows{};
  std::vector<std::vector<float>> keys{}, values{};  ///< by sequence
  std::vector<float> queries{};

  explicit Step(const AttentionCase& tested) : shape(tested.shape) {
    if (shape.v_head_dim == 0) shape.v_head_dim = shape.head_dim;
    shape.softmax_scale = 1.0 / std::sqrt(static_cast<double>(shape.head_dim));
    shape.sinks = tested.sinks;
    base::Random random(1);
    const std::size_t key_width = shape.num_key_value_heads * shape.head_dim;
    const std::size_t value_width = shape.num_key_value_heads * shape.v_head_dim;
    std::size_t first_row = 0;
    for (const Lengths& lengths : tested.sequences) {
      const std::size_t total = lengths.past + lengths.num_rows;
      keys.push_back(uniform_values(random, total * key_width));
      values.push_back(uniform_values(random, total * value_width));
      rows.push_back(
          {first_row, lengths.num_rows, total, {keys.back().data(), values.back().data()}});
      first_row += lengths.num_rows;
    }
    queries = uniform_values(random, first_row * shape.num_heads * shape.head_dim);
  }

  [[nodiscard]] std::vector<float> run(std::span<const AttentionRows> some, int threads) const {
    Compute compute(*kernels::runnable_tables().front(), threads);
    std::vector<float> outputs(queries.size() / shape.head_dim * shape.v_head_dim, -7.0f);
    attend(compute, shape, some, queries.data(), outputs.data());
    return outputs;
  }
};

/// One head of one query row.
std::vector<double> expected_head(const Step& step, const AttentionRows& sequence,
                                  std::size_t row, std::size_t head) {
  const AttentionShape& shape = step.shape;
  const std::size_t dim = shape.head_dim;
  const std::size_t key_width = shape.num_key_value_heads * dim;
  const std::size_t key_head = head * shape.num_key_value_heads / shape.num_heads;
  const float* query =
      step.queries.data() + ((sequence.first_row + row) * shape.num_heads + head) * dim;
  const std::size_t position = sequence.num_keys - sequence.num_rows + row;
  std::vector<double> output(shape.v_head_dim);
  double sum = shape.sinks.empty() ? 0.0 : std::exp(double{shape.sinks[head]});
  for (std::size_t seen = 0; seen < sequence.num_keys; ++seen) {
    if (shape.is_causal && seen > position) break;
    if (shape.sliding_window && position - seen >= *shape.sliding_window) continue;
    const float* key = sequence.source.keys + seen * key_width + key_head * dim;
    double score = 0.0;
    for (std::size_t i = 0; i < dim; ++i) score += double{query[i]} * key[i];
    const double weight = std::exp(score / std::sqrt(static_cast<double>(dim)));
    sum += weight;
    const float* value = sequence.source.values +
                         (seen * shape.num_key_value_heads + key_head) * shape.v_head_dim;
    for (std::size_t i = 0; i < output.size(); ++i) output[i] += weight * value[i];
  }
  for (double& value : output) value /= sum;
  return output;
}

class AttentionTest : public testing::TestWithParam<AttentionCase> {};

TEST_P(AttentionTest, AgreesWithTheDefinition) {
  const Step step(GetParam());
  const AttentionShape& shape = step.shape;
  const std::vector<float> outputs = step.run(step.rows, 1);
  for (const AttentionRows& sequence : step.rows) {
    for (std::size_t row = 0; row < sequence.num_rows; ++row) {
      // Everything is at most 1, so a score s = q·k/√d is at most √d and, with d products and
      // sums and one scaling, off by (d + 2) ulp · √d. Subtracting the largest score and exp
      // add (2√d + 2) ulp to a weight, summing n weights and dividing n + 1, the weighted sum
      // of values n; and errors of the weights count twice, in numerator and denominator.
      const auto dim = static_cast<double>(shape.head_dim);
      const auto keys = static_cast<double>(sequence.num_keys);
      const double weight_error = (dim + 2.0) * std::sqrt(dim) + 2.0 * std::sqrt(dim) + 2.0;
      const double tolerance = (2.0 * weight_error + 2.0 * keys + 1.0) * kUlp;
      for (std::size_t head = 0; head < shape.num_heads; ++head) {
        const auto expected = expected_head(step, sequence, row, head);
        for (std::size_t i = 0; i < shape.v_head_dim; ++i) {
          const std::size_t place =
              ((sequence.first_row + row) * shape.num_heads + head) * shape.v_head_dim + i;
          ASSERT_NEAR(outputs[place], expected[i], tolerance)
              << "row " << row << " head " << head;
        }
      }
    }
  }
}

TEST_P(AttentionTest, DoesNotDependOnThreadsOrOtherSequences) {
  const Step step(GetParam());
  const std::vector<float> together = step.run(step.rows, 1);
  EXPECT_EQ(step.run(step.rows, 2), together);
  EXPECT_EQ(step.run(step.rows, 3), together);
  const std::size_t width = step.shape.num_heads * step.shape.v_head_dim;
  for (const AttentionRows& sequence : step.rows) {
    const std::vector<float> alone = step.run(std::span(&sequence, 1), 1);
    const auto begin = static_cast<std::ptrdiff_t>(sequence.first_row * width);
    const auto end = begin + static_cast<std::ptrdiff_t>(sequence.num_rows * width);
    EXPECT_TRUE(
        std::equal(alone.begin() + begin, alone.begin() + end, together.begin() + begin));
    // Rows of other sequences are not touched.
    EXPECT_EQ(std::count(alone.begin(), alone.begin() + begin, -7.0f), begin);
  }
}

std::vector<AttentionCase> cases() {
  const AttentionShape grouped{.num_heads = 4, .num_key_value_heads = 2, .head_dim = 8};
  const AttentionShape equal{.num_heads = 3, .num_key_value_heads = 3, .head_dim = 16};
  const AttentionShape one_key_head{.num_heads = 4, .num_key_value_heads = 1, .head_dim = 10};
  AttentionShape narrow_values = grouped, wide_values = grouped;
  narrow_values.v_head_dim = 3;
  wide_values.v_head_dim = 20;
  AttentionShape window = grouped;
  window.sliding_window = 4;
  AttentionShape only_itself = grouped;
  only_itself.sliding_window = 1;
  AttentionShape all_keys = grouped;  // an encoder, or cross attention
  all_keys.is_causal = false;
  // More than 64 rows make several tasks per head.
  const std::vector<Lengths> several = {{0, 5}, {7, 1}, {100, 70}, {3, 2}};
  return {{"Prefill", grouped, {{0, 9}}},
          {"Decode", grouped, {{30, 1}}},
          {"FirstToken", grouped, {{0, 1}}},
          {"ManyRows", grouped, {{0, 150}}},
          {"Several", grouped, several},
          {"EqualHeads", equal, several},
          {"OneKeyHead", one_key_head, several},
          {"NarrowValues", narrow_values, several},
          {"WideValues", wide_values, several},
          {"Window", window, several},
          {"WindowOfOne", only_itself, {{0, 3}, {5, 2}}},
          {"AllKeys", all_keys, several},
          {"Sinks", grouped, several, {0.5f, -1.0f, 0.9f, 0.0f}},
          {"SinksAndWindow", window, several, {0.5f, -1.0f, 0.9f, 0.0f}}};
}

INSTANTIATE_TEST_SUITE_P(Shapes, AttentionTest, testing::ValuesIn(cases()),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace trine::runtime
