// Every quantizer with both widths of metadata, on weights of known shapes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include "base/dtype.h"
#include "compress/factors.h"
#include "compress/quantizers/metadata.h"
#include "compress/quantizers/quantizer.h"
#include "kernels/block_codec.h"
#include "support/input_moments.h"
#include "support/random_matrices.h"

namespace trine::compress {
namespace {

constexpr int kShapeBits[] = {2, 3, 4, 5, 6, 8};
constexpr std::size_t kShapeRows = 3,
                      kShapeCols = 150;  // two whole groups of 64 and a short one

struct Shape {
  const char* name;
  std::vector<float> weights;
};

std::vector<Shape> shapes() {
  std::vector<Shape> all;
  const auto add = [&](const char* name, auto weight) {
    Shape shape{name, {}};
    for (std::size_t at = 0; at < kShapeRows * kShapeCols; ++at) {
      shape.weights.push_back(weight(at / kShapeCols, at % kShapeCols));
    }
    all.push_back(std::move(shape));
  };
  const auto normal = testing_support::random_normal(kShapeRows * kShapeCols, 1, 0.1);
  add("zeros", [](std::size_t, std::size_t) { return 0.0f; });
  add("flat",
      [](std::size_t row, std::size_t) { return 0.5f - 0.375f * static_cast<float>(row); });
  add("plateaus", [](std::size_t, std::size_t col) { return col % 3 == 0 ? 0.25f : -0.25f; });
  add("ramp",
      [](std::size_t, std::size_t col) { return static_cast<float>(col % 64) / 64 - 0.3f; });
  add("outlier", [&](std::size_t row, std::size_t col) {
    return col == 70 ? 2.0f : normal[row * kShapeCols + col];
  });
  add("normal",
      [&](std::size_t row, std::size_t col) { return normal[row * kShapeCols + col]; });
  add("zero group", [&](std::size_t row, std::size_t col) {
    return col < 64 ? 0.0f : normal[row * kShapeCols + col];
  });
  return all;
}

class EveryQuantizer : public testing::TestWithParam<std::tuple<const char*, int>> {
 protected:
  [[nodiscard]] static QuantizedMatrix quantize(const std::vector<float>& weights, int bits,
                                                std::size_t rows = kShapeRows,
                                                int threads = 1) {
    const auto& [name, metadata_bits] = GetParam();
    const std::size_t cols = weights.size() / rows;
    // Without correlations error feedback has nobody to feed back to.
    const auto moments = testing_support::uncorrelated(cols);
    const bool wants_moments = std::string(name) == "gptq";
    auto matrix = quantizer_named(name).value()->quantize(
        {rows, cols, weights}, {.bits = bits,
                                .metadata_bits = metadata_bits,
                                .threads = threads,
                                .moments = wants_moments ? moments.view() : InputMoments{}});
    EXPECT_TRUE(matrix) << matrix.error().message;
    return std::move(*matrix);
  }
  static double relative_error(const std::vector<float>& weights,
                               const QuantizedMatrix& matrix) {
    const auto restored = dequantized(matrix, 1);
    double error = 0.0, size = 0.0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      error += std::pow(static_cast<double>(weights[i]) - restored[i], 2);
      size += std::pow(static_cast<double>(weights[i]), 2);
    }
    return size == 0.0 ? std::sqrt(error) : std::sqrt(error / size);
  }
  [[nodiscard]] static bool has_bytes() { return std::get<1>(GetParam()) == 8; }
};

TEST_P(EveryQuantizer, StoredBytesGiveTheSameNumbers) {
  for (const Shape& shape : shapes()) {
    for (const int bits : kShapeBits) {
      SCOPED_TRACE(testing::Message() << shape.name << ", " << bits << " bits");
      const QuantizedMatrix matrix = quantize(shape.weights, bits);
      const auto blocks = kernels::pack(matrix, 1);
      const PackedLayout layout{kShapeRows, kShapeCols, bits, 64, matrix.metadata_bits};
      EXPECT_EQ(kernels::dequantize({layout, blocks}), dequantized(matrix, 1));
      for (const float scale : matrix.scales) EXPECT_GT(scale, 0.0f);
      EXPECT_EQ(matrix.scale_steps.size(), has_bytes() ? kShapeRows : 0u);
      for (const auto* steps : {&matrix.scale_steps, &matrix.zero_steps}) {
        for (const float step : *steps) {
          EXPECT_GE(step, 0.0f);
          EXPECT_EQ(step, f16_to_float(float_to_f16(step)));
        }
      }
    }
  }
}

TEST_P(EveryQuantizer, CodesAreTheNearestOnTheStoredGrid) {
  // HQQ as published takes its codes before the grid is rounded to fp16.
  const bool codes_come_first = std::string(std::get<0>(GetParam())) == "hqq" && !has_bytes();
  for (const Shape& shape : shapes()) {
    for (const int bits : kShapeBits) {
      const QuantizedMatrix matrix = quantize(shape.weights, bits);
      const auto restored = dequantized(matrix, 1);
      for (std::size_t i = 0; i < restored.size(); ++i) {
        const std::size_t group = i / kShapeCols * matrix.num_groups() + i % kShapeCols / 64;
        const double scale = matrix.scales[group], zero = matrix.zeros[group];
        const double wanted = std::clamp(std::nearbyint(shape.weights[i] / scale + zero), 0.0,
                                         std::ldexp(1.0, bits) - 1.0);
        const double least = std::abs(shape.weights[i] - (wanted - zero) * scale);
        // fp32 may take the other neighbour of a near tie; zeros of 1000 keep 2^-14 of a step.
        double most = least + 1e-3 * scale;
        if (codes_come_first) {
          // Rounding scale and zero by 2^-11 each moves w / scale + zero by `moved` steps. What
          // was nearest before is that much farther now, and what is nearest now was that much
          // farther before.
          const double moved =
              (std::abs(shape.weights[i]) / scale + std::abs(zero)) * std::ldexp(1.0, -11);
          most += 2.0 * moved * scale;
        }
        EXPECT_LE(std::abs(shape.weights[i] - restored[i]), most)
            << shape.name << ", " << bits << " bits, " << i;
      }
    }
  }
}

/// The largest relative error a shape may have.
double most_error(const std::string& shape, int bits, bool has_bytes) {
  const double steps = std::ldexp(1.0, bits) - 1.0;
  // What rounding scale and zero costs: 2^-11 each as fp16, up to half a 255th as bytes.
  const double metadata = has_bytes ? 0.004 : 0.001;
  if (shape == "zeros") return has_bytes ? 1e-3 : 1e-30;
  // As bytes a flat row has a scale of 255 steps, of an fp16 number at most 2^-10 too large.
  if (shape == "flat") return has_bytes ? 0.001 : 1e-30;
  if (shape == "plateaus") return 0.01 + metadata;
  // Uniform weights on [-0.3, 0.7]: 1/√12 of a step over a root mean square of 0.35.
  if (shape == "ramp") return 1.1 * 0.2887 / 0.35 / steps + metadata;
  // The range of a normal group of 64 is some five deviations, at times seven.
  if (shape == "normal" || shape == "zero group") return 7.0 * 0.2887 / steps + metadata;
  return 1.0;
}

TEST_P(EveryQuantizer, ErrorsAreThoseOfTheShape) {
  for (const Shape& shape : shapes()) {
    for (const int bits : kShapeBits) {
      const double error = relative_error(shape.weights, quantize(shape.weights, bits));
      EXPECT_LT(error, most_error(shape.name, bits, has_bytes()))
          << shape.name << ", " << bits << " bits";
    }
  }
}

TEST_P(EveryQuantizer, MoreBitsAreNeverWorse) {
  for (const Shape& shape : shapes()) {
    const std::string name = shape.name;
    if (name == "zeros" || name == "flat") continue;  // one code is enough
    double last = 1e9;
    for (const int bits : kShapeBits) {
      const double error = relative_error(shape.weights, quantize(shape.weights, bits));
      // Two plateaus need two codes and the ramp's 64 values six bits: with more, what is left is
      // the rounding of the metadata.
      const bool is_exact = name == "plateaus" || (name == "ramp" && bits == 8);
      EXPECT_LT(error, is_exact ? last + 0.01 : last) << name << ", " << bits;
      last = error;
    }
  }
}

TEST_P(EveryQuantizer, AGroupOfZerosCostsItsRowNothing) {
  auto weights = testing_support::random_normal(kShapeRows * 192, 5, 0.02);
  const auto without = quantize(weights, 4);
  for (std::size_t row = 0; row < kShapeRows; ++row) {
    std::fill_n(weights.begin() + static_cast<std::ptrdiff_t>(row * 192), 64, 0.0f);
  }
  const auto with = quantize(weights, 4);
  const auto before = dequantized(without, 1), after = dequantized(with, 1);
  double error_before = 0.0, error_after = 0.0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (i % 192 < 64) {
      EXPECT_NEAR(after[i], 0.0f, 1e-4) << i;
      continue;
    }
    error_before += std::pow(static_cast<double>(weights[i]) - before[i], 2);
    error_after += std::pow(static_cast<double>(weights[i]) - after[i], 2);
  }
  EXPECT_LT(error_after, 1.1 * error_before);
}

TEST_P(EveryQuantizer, AFlatGroupIsKeptAndCostsItsRowNothing) {
  for (const int bits : kShapeBits) {
    for (const float value : {0.05f, -0.02f, 0.003f, 0.0f}) {
      SCOPED_TRACE(testing::Message() << value << ", " << bits << " bits");
      // All grids of a row are alike and their zeros far from the middle of the codes, so that
      // nothing changes for them unless the flat group takes more than its share.
      std::vector<float> weights;
      for (std::size_t i = 0; i < kShapeRows * 192; ++i) {
        weights.push_back((static_cast<float>(i * 29 % 64) - 20.0f) / 500.0f);
      }
      const auto without = dequantized(quantize(weights, bits), 1);
      auto flat = weights;
      for (std::size_t i = 0; i < flat.size(); ++i) {
        if (i % 192 < 64) flat[i] = value;
      }
      const QuantizedMatrix matrix = quantize(flat, bits);
      const auto with = dequantized(matrix, 1);
      // A value is distance · k · step, where k is at most 255 and distances from the middle of
      // the codes are one apart: the smallest that reaches it is below value / (255 step) + 1,
      // and k is off by a half at most. fp16 rounds the scale by 2^-11.
      const double size = std::abs(value);
      const double most =
          has_bytes() ? 0.501 * (size / 255.0 + matrix.scale_steps[0]) : std::ldexp(size, -11);
      double error_before = 0.0, error_after = 0.0;
      for (std::size_t i = 0; i < flat.size(); ++i) {
        if (i % 192 < 64) {
          EXPECT_NEAR(with[i], value, most);
          continue;
        }
        error_before += std::pow(static_cast<double>(flat[i]) - without[i], 2);
        error_after += std::pow(static_cast<double>(flat[i]) - with[i], 2);
      }
      EXPECT_LE(error_after, 1.02 * error_before);
    }
  }
}

TEST_P(EveryQuantizer, ScalingByAPowerOfTwoScalesTheResult) {
  // Large enough that fp16 steps are normal numbers, small enough for HQQ's shrink not to fire.
  const auto weights = testing_support::random_normal(kShapeRows * kShapeCols, 8, 0.1);
  auto larger = weights;
  for (float& weight : larger) weight *= 4.0f;
  const auto small = quantize(weights, 4), large = quantize(larger, 4);
  EXPECT_EQ(small.codes, large.codes);
  EXPECT_EQ(small.zeros, large.zeros);
  for (std::size_t i = 0; i < small.scales.size(); ++i) {
    EXPECT_EQ(small.scales[i] * 4.0f, large.scales[i]);
  }
}

TEST_P(EveryQuantizer, GroupsInAnotherOrderKeepTheirCodes) {
  const auto weights = testing_support::random_normal(2 * 192, 9, 0.1);
  std::vector<float> turned(weights.size());
  const auto other = [](std::size_t at) {  // groups 0, 1, 2 of a row become 2, 0, 1
    return at / 192 * 192 + (at % 192 + 64) % 192;
  };
  for (std::size_t at = 0; at < weights.size(); ++at) turned[other(at)] = weights[at];
  const auto first = quantize(weights, 3, 2), second = quantize(turned, 3, 2);
  for (std::size_t at = 0; at < weights.size(); ++at) {
    EXPECT_EQ(first.codes[at], second.codes[other(at)]);
    EXPECT_EQ(first.scales[at / 64], second.scales[other(at) / 64]);
    EXPECT_EQ(first.zeros[at / 64], second.zeros[other(at) / 64]);
  }
}

TEST_P(EveryQuantizer, ResultDoesNotDependOnThreads) {
  const auto weights = testing_support::random_normal(65 * 100, 11, 0.02);
  const auto one = quantize(weights, 3, 65, 1), three = quantize(weights, 3, 65, 3);
  EXPECT_EQ(one.codes, three.codes);
  EXPECT_EQ(kernels::pack(one, 1), kernels::pack(three, 2));
}

TEST_P(EveryQuantizer, ZerosNextToTheMiddleOfTheCodesCanBeStored) {
  // Nearly symmetric rows of one group: their zeros miss the middle by less than fp32 resolves
  // in steps of a 127th of that.
  for (const int bits : kShapeBits) {
    for (const float shift : {0.0f, 1e-8f, 1e-7f, 1e-6f, 1e-5f, 1e-4f, 1e-3f}) {
      std::vector<float> weights;
      for (std::size_t i = 0; i < 64; ++i) {
        weights.push_back((static_cast<float>(i) - 31.5f) / 32.0f + shift);
      }
      const auto matrix = quantize(weights, bits, 1);
      const PackedLayout layout{1, 64, bits, 64, matrix.metadata_bits};
      const auto blocks = kernels::pack(matrix, 1);
      EXPECT_EQ(kernels::dequantize({layout, blocks}), dequantized(matrix, 1))
          << bits << " bits, " << shift;
    }
  }
}

TEST(RowGrid, EveryZeroNearTheMiddleFitsItsByte) {
  for (const int bits : kShapeBits) {
    const float middle = kernels::middle_code(bits);
    for (float distance = 1e-7f; distance < 0.1f; distance *= 1.003f) {
      for (const float zero : {middle + distance, middle - distance}) {
        const std::vector<float> scales = {0.5f}, zeros = {zero};
        const RowGrid grid(scales, zeros, bits);
        QuantizedMatrix matrix{.rows = 1, .cols = 32, .group_size = 32, .bits = bits};
        matrix.metadata_bits = 8;
        matrix.codes.assign(32, 1);
        matrix.scales = {grid.rounded_scale(0.5f)};
        matrix.zeros = {grid.rounded_zero(zero)};
        matrix.scale_steps = {grid.scale_step()};
        matrix.zero_steps = {grid.zero_step()};
        EXPECT_NEAR(matrix.zeros[0], zero, 0x1p-8f);
        const auto blocks = kernels::pack(matrix, 1);
        const auto restored = kernels::dequantize({{1, 32, bits, 32, 8}, blocks});
        // A byte next to the right one would be a step off; fp32 near 127.5 resolves 2^-17.
        EXPECT_NEAR(restored[0], (1.0f - matrix.zeros[0]) * matrix.scales[0], 0x1p-17f);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, EveryQuantizer,
                         testing::Combine(testing::Values("rtn", "hqq", "trine", "gptq"),
                                          testing::Values(16, 8)),
                         [](const auto& tested) {
                           return std::string(std::get<0>(tested.param)) + "_m" +
                                  std::to_string(std::get<1>(tested.param));
                         });

}  // namespace
}  // namespace trine::compress
