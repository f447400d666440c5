#include "models/row_readers.h"

#include <array>
#include <cmath>
#include <cstring>

namespace trine::models {
namespace {

float element(const std::uint8_t* bytes, DType dtype, std::size_t index) {
  if (dtype == DType::kF32) {
    float value = 0.0f;
    std::memcpy(&value, bytes + 4 * index, sizeof value);
    return value;
  }
  std::uint16_t bits = 0;
  std::memcpy(&bits, bytes + 2 * index, sizeof bits);
  return dtype == DType::kF16 ? f16_to_float(bits) : bf16_to_float(bits);
}

class StridedReader final : public RowReader {
 public:
  explicit StridedReader(const StridedPlane& plane) : plane_(plane) {}

  void read_rows(std::size_t first, std::size_t count, float* target) const override {
    for (std::size_t row = 0; row < count; ++row) {
      const std::size_t stored_row = plane_.first_row + (first + row) * plane_.row_step;
      const std::size_t start =
          plane_.is_transposed ? stored_row : stored_row * plane_.in_features;
      const std::size_t step = plane_.is_transposed ? plane_.plane_rows : 1;
      for (std::size_t i = 0; i < plane_.in_features; ++i) {
        target[row * plane_.in_features + i] =
            element(plane_.bytes.data(), plane_.dtype, start + i * step);
      }
    }
  }

  std::size_t stored_bytes() const noexcept override {
    return plane_.bytes.size() / plane_.row_step;
  }

 private:
  StridedPlane plane_;
};

/// E4M3: 1 sign, 4 exponent bits (bias 7), 3 mantissa bits; no infinities, 0x7F and 0xFF are NaN.
float e4m3_to_float(std::uint8_t bits) {
  const float sign = (bits & 0x80) != 0 ? -1.0f : 1.0f;
  const int exponent = bits >> 3 & 15;
  const int mantissa = bits & 7;
  if (exponent == 15 && mantissa == 7) return NAN;
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -9);
  return sign * std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
}

const std::array<float, 256>& e4m3_values() {
  static const std::array<float, 256> values = [] {
    std::array<float, 256> all{};
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i] = e4m3_to_float(static_cast<std::uint8_t>(i));
    }
    return all;
  }();
  return values;
}

class Fp8Reader final : public RowReader {
 public:
  explicit Fp8Reader(const Fp8Plane& plane) : plane_(plane) {}

  void read_rows(std::size_t first, std::size_t count, float* target) const override {
    const auto& values = e4m3_values();
    const std::size_t width = plane_.in_features;
    const std::size_t blocks = (width + plane_.block - 1) / plane_.block;
    for (std::size_t row = 0; row < count; ++row) {
      const std::size_t block_row = (first + row) / plane_.block;
      const std::uint8_t* source = plane_.bytes.data() + (first + row) * width;
      for (std::size_t i = 0; i < width; ++i) {
        const float factor =
            element(plane_.factors.data(), DType::kF32, block_row * blocks + i / plane_.block);
        target[row * width + i] = values[source[i]] * factor;
      }
    }
  }

  std::size_t stored_bytes() const noexcept override {
    return plane_.bytes.size() + plane_.factors.size();
  }

 private:
  Fp8Plane plane_;
};

/// E2M1 in the order of its codes; bit 3 is the sign.
constexpr std::array<float, 16> kE2M1 = {0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,
                                         4.0f,  6.0f,  -0.0f, -0.5f, -1.0f, -1.5f,
                                         -2.0f, -3.0f, -4.0f, -6.0f};

class Mxfp4Reader final : public RowReader {
 public:
  explicit Mxfp4Reader(const Mxfp4Plane& plane) : plane_(plane) {}

  void read_rows(std::size_t first, std::size_t count, float* target) const override {
    constexpr std::size_t kGroup = 32;
    constexpr std::size_t kNanExponent = 255;
    const std::size_t groups = plane_.in_features / kGroup;
    for (std::size_t row = 0; row < count; ++row) {
      const std::size_t stored_row = plane_.first_row + (first + row) * plane_.row_step;
      for (std::size_t group = 0; group < groups; ++group) {
        const std::size_t index = stored_row * groups + group;
        const int exponent = plane_.exponents[index];
        const float scale = exponent == kNanExponent ? NAN : std::ldexp(1.0f, exponent - 127);
        const std::uint8_t* source = plane_.nibbles.data() + index * kGroup / 2;
        float* out = target + row * plane_.in_features + group * kGroup;
        for (std::size_t i = 0; i < kGroup / 2; ++i) {
          out[2 * i] = kE2M1[source[i] & 15] * scale;
          out[2 * i + 1] = kE2M1[source[i] >> 4] * scale;
        }
      }
    }
  }

  std::size_t stored_bytes() const noexcept override {
    return (plane_.nibbles.size() + plane_.exponents.size()) / plane_.row_step;
  }

 private:
  Mxfp4Plane plane_;
};

}  // namespace

std::shared_ptr<const RowReader> make_strided_reader(const StridedPlane& plane) {
  return std::make_shared<StridedReader>(plane);
}

std::shared_ptr<const RowReader> make_fp8_reader(const Fp8Plane& plane) {
  return std::make_shared<Fp8Reader>(plane);
}

std::shared_ptr<const RowReader> make_mxfp4_reader(const Mxfp4Plane& plane) {
  return std::make_shared<Mxfp4Reader>(plane);
}

}  // namespace trine::models
