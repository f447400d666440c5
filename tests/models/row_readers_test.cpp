#include "models/row_readers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "support/memory_weights.h"
#include "support/random_matrices.h"

namespace trine::models {
namespace {

using testing_support::decode;
using testing_support::encode;
using testing_support::random_normal;

std::vector<float> read(const RowReader& reader, std::size_t first, std::size_t count,
                        std::size_t in_features) {
  std::vector<float> values(count * in_features);
  reader.read_rows(first, count, values.data());
  return values;
}

TEST(StridedReader, ReadsRowsWhereverTheyLie) {
  constexpr std::size_t kRows = 6, kIn = 5, kCount = 2;
  struct Case {
    std::size_t first_row, row_step;
    bool is_transposed;
  };
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    auto bytes = encode(dtype, random_normal(kRows * kIn, 1));
    const auto values = decode(dtype, bytes);
    bytes.insert(bytes.begin(), 0xFF);  // no alignment is asked for
    for (const Case& tested : {Case{0, 1, false},
                               {3, 1, false},
                               {0, 2, false},
                               {1, 2, false},
                               {0, 1, true},
                               {0, 2, true},
                               {1, 2, true}}) {
      const auto reader =
          make_strided_reader({dtype, std::span(bytes).subspan(1), kIn, kRows, tested.first_row,
                               tested.row_step, tested.is_transposed});
      for (std::size_t first = 0; first < 2; ++first) {
        const auto rows = read(*reader, first, kCount, kIn);
        for (std::size_t place = 0; place < rows.size(); ++place) {
          const std::size_t row = tested.first_row + (first + place / kIn) * tested.row_step;
          const std::size_t column = place % kIn;
          const std::size_t stored =
              tested.is_transposed ? column * kRows + row : row * kIn + column;
          EXPECT_EQ(rows[place], values[stored]);
        }
      }
      // Rows that alternate with another matrix's count half the plane.
      EXPECT_EQ(reader->stored_bytes(), (bytes.size() - 1) / tested.row_step);
    }
  }
}

/// E4M3 as its definition says (Micikevicius et al. 2022, arXiv:2209.05433).
double e4m3(unsigned code) {
  const double sign = code >= 128 ? -1.0 : 1.0;
  const unsigned exponent = code % 128 / 8, mantissa = code % 8;
  if (exponent == 15 && mantissa == 7) return std::numeric_limits<double>::quiet_NaN();
  if (exponent == 0) return sign * mantissa / 8.0 * std::pow(2.0, -6);
  return sign * (1.0 + mantissa / 8.0) * std::pow(2.0, static_cast<int>(exponent) - 7);
}

TEST(Fp8Reader, KnowsLandmarksOfE4M3) {
  EXPECT_EQ(e4m3(0x7E), 448.0);  // the largest
  EXPECT_EQ(e4m3(0x38), 1.0);
  EXPECT_EQ(e4m3(0x08), 0x1p-6);  // the smallest normal
  EXPECT_EQ(e4m3(0x01), 0x1p-9);  // the smallest
}

TEST(Fp8Reader, DecodesEveryCode) {
  std::vector<std::uint8_t> codes(256);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(i);
  const auto factors = encode(DType::kF32, std::vector<float>{1.0f, -0.5f});
  const auto row = read(*make_fp8_reader({codes, factors, 256, 128}), 0, 1, 256);
  for (unsigned code = 0; code < 256; ++code) {
    const double expected = e4m3(code) * (code < 128 ? 1.0 : -0.5);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(row[code])) << code;
      continue;
    }
    EXPECT_EQ(row[code], expected) << code;
    EXPECT_EQ(std::signbit(row[code]), std::signbit(expected)) << code;
  }
}

TEST(Fp8Reader, TakesTheFactorOfEachBlockShortOnesIncluded) {
  constexpr std::size_t kOut = 300, kIn = 150,
                        kBlock = 128;  // 3 × 2 blocks, the last ones short
  const std::vector<std::uint8_t> ones(kOut * kIn, 0x38);
  const std::vector<float> factors = {1.5f, 2.5f, 3.5f, 4.5f, 5.5f, 6.5f};
  const auto factor_bytes = encode(DType::kF32, factors);
  const auto reader = make_fp8_reader({ones, factor_bytes, kIn, kBlock});
  for (const std::size_t first : {0u, 100u, 127u, 200u}) {
    const auto rows = read(*reader, first, 100, kIn);
    for (std::size_t place = 0; place < rows.size(); ++place) {
      const std::size_t block_row = (first + place / kIn) / kBlock;
      EXPECT_EQ(rows[place], factors[block_row * 2 + place % kIn / kBlock]);
    }
  }
  EXPECT_EQ(reader->stored_bytes(), kOut * kIn + 6 * 4);
}

TEST(Mxfp4Reader, TakesTheLowNibbleFirst) {
  std::vector<std::uint8_t> nibbles;
  for (unsigned i = 0; i < 16; ++i)
    nibbles.push_back(static_cast<std::uint8_t>(i | (15 - i) << 4));
  const std::vector<std::uint8_t> exponents = {127};
  const auto row = read(*make_mxfp4_reader({nibbles, exponents, 32}), 0, 1, 32);
  const std::vector<float> codes = {0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,  4.0f,  6.0f,
                                    -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f};
  for (std::size_t i = 0; i < 16; ++i) {
    EXPECT_EQ(row[2 * i], codes[i]);
    EXPECT_EQ(row[2 * i + 1], codes[15 - i]);
  }
}

TEST(Mxfp4Reader, ScalesByEveryExponent) {
  const std::vector<std::uint8_t> nibbles(16, 0x25);  // 3 and 1
  for (unsigned code = 0; code < 255; ++code) {
    const std::vector<std::uint8_t> exponents = {static_cast<std::uint8_t>(code)};
    const auto row = read(*make_mxfp4_reader({nibbles, exponents, 32}), 0, 1, 32);
    const double scale = std::pow(2.0, static_cast<int>(code) - 127);
    // 3 · 2^127 is the only product here beyond fp32.
    EXPECT_EQ(row[0], static_cast<float>(3.0 * scale)) << code;
    EXPECT_EQ(row[1], scale) << code;
  }
  const std::vector<std::uint8_t> not_a_number = {255};
  EXPECT_TRUE(std::isnan(read(*make_mxfp4_reader({nibbles, not_a_number, 32}), 0, 1, 32)[0]));
}

TEST(Mxfp4Reader, ReadsEverySecondRow) {
  constexpr std::size_t kRows = 6, kIn = 64;
  std::vector<std::uint8_t> nibbles(kRows * kIn / 2, 0x22);  // all ones
  std::vector<std::uint8_t> exponents;
  for (std::size_t i = 0; i < kRows * 2; ++i) {
    exponents.push_back(static_cast<std::uint8_t>(127 + i));
  }
  const auto reader = make_mxfp4_reader({nibbles, exponents, kIn, 1, 2});
  const auto rows = read(*reader, 1, 2, kIn);  // rows 3 and 5 of the plane
  for (std::size_t place = 0; place < rows.size(); ++place) {
    const std::size_t group = (3 + 2 * (place / kIn)) * 2 + place % kIn / 32;
    EXPECT_EQ(rows[place], std::ldexp(1.0f, static_cast<int>(group)));
  }
  EXPECT_EQ(reader->stored_bytes(), (nibbles.size() + exponents.size()) / 2);
}

}  // namespace
}  // namespace trine::models
