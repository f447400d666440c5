// Rows of codes against rows of numbers: every table gives what the definition says, and the same
// as every other.
#include "kernels/linalg/coded_rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/dtype.h"
#include "kernels/linalg/bf16_matrix.h"
#include "support/random_matrices.h"

namespace trine::kernels {
namespace {

using testing_support::random_normal;

struct Sample {
  std::vector<float> weights, rest, scales, zeros;
  std::vector<std::uint8_t> codes;
  CodedRow row;

  Sample(std::size_t count, std::size_t group_size)
      : weights(random_normal(count, 1)),
        rest(random_normal(count, 2)),
        scales((count + group_size - 1) / group_size),
        zeros(random_normal(scales.size(), 3)) {
    for (std::size_t i = 0; i < count; ++i) codes.push_back(static_cast<std::uint8_t>(i * 37));
    for (std::size_t g = 0; g < scales.size(); ++g) {
      scales[g] = 0.01f * static_cast<float>(g + 1);
    }
    row = {codes.data(), scales.data(), zeros.data(), group_size, count};
  }
  [[nodiscard]] float number(std::size_t i) const {
    const std::size_t group = i / row.group_size;
    return (static_cast<float>(codes[i]) - zeros[group]) * scales[group];
  }
};

TEST(CodedRows, AreTheDefinitionOnEveryTable) {
  constexpr float kRelaxation = 0.8f;
  for (const std::size_t group_size : {32u, 64u, 128u}) {
    for (const std::size_t count : {1u, 64u, 200u, 1024u}) {
      const Sample sample(count, group_size);
      double expected = 0.0;
      std::vector<std::uint16_t> left(count);
      for (std::size_t i = 0; i < count; ++i) {
        const float difference = sample.rest[i] - sample.number(i);
        expected += static_cast<double>(difference) * static_cast<double>(difference);
        const float value = (sample.weights[i] - sample.number(i)) + kRelaxation * difference;
        narrow_to_bf16(&value, 1, &left[i]);
      }
      std::vector<double> found;
      for (const CodedRowLoops* loops : runnable_coded_row_loops()) {
        alignas(64) std::uint16_t residual[1024];
        found.push_back(loops->squared_error(sample.rest.data(), sample.row));
        // A group's sums in fp32.
        EXPECT_NEAR(found.back(), expected, expected * 1e-5) << loops->name;
        EXPECT_EQ(loops->leave_residual(sample.weights.data(), sample.rest.data(), sample.row,
                                        kRelaxation, residual),
                  found.back());
        EXPECT_EQ(found.back(), found.front()) << loops->name;
        EXPECT_EQ(std::vector<std::uint16_t>(residual, residual + count), left) << loops->name;
      }
    }
  }
}

TEST(CodedRows, NarrowCodesKeepsEveryByte) {
  std::vector<std::int32_t> codes;
  for (std::int32_t i = 0; i < 256; ++i) codes.push_back(255 - i);
  for (const CodedRowLoops* loops : runnable_coded_row_loops()) {
    std::vector<std::uint8_t> bytes(codes.size());
    loops->narrow_codes(codes.data(), codes.size(), bytes.data());
    for (std::size_t i = 0; i < codes.size(); ++i) EXPECT_EQ(bytes[i], codes[i]) << loops->name;
  }
}

}  // namespace
}  // namespace trine::kernels
