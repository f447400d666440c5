// Readers for matrices that are not plain rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/dtype.h"
#include "core/row_reader.h"

namespace trine::models {

/// Every row_step-th row, or column of a transposed plane [in_features, plane_rows].
struct StridedPlane {
  DType dtype = DType::kBF16;
  std::span<const std::uint8_t> bytes{};
  std::size_t in_features = 0;
  std::size_t plane_rows = 0;
  std::size_t first_row = 0;
  std::size_t row_step = 1;
  bool is_transposed = false;
};
[[nodiscard]] std::shared_ptr<const RowReader> make_strided_reader(const StridedPlane& plane);

/// E4M3 numbers times one fp32 factor per block × block square (DeepSeek-V3's weight_scale_inv).
struct Fp8Plane {
  std::span<const std::uint8_t> bytes{};    ///< [out_features, in_features]
  std::span<const std::uint8_t> factors{};  ///< fp32 [⌈out/block⌉, ⌈in/block⌉]
  std::size_t in_features = 0;
  std::size_t block = 128;
};
[[nodiscard]] std::shared_ptr<const RowReader> make_fp8_reader(const Fp8Plane& plane);

/// E2M1 nibbles, low one first, in groups of 32 with an exponent 2^(e − 127) each (OCP MX 1.0).
struct Mxfp4Plane {
  std::span<const std::uint8_t> nibbles{};    ///< [plane rows, in_features / 32, 16]
  std::span<const std::uint8_t> exponents{};  ///< [plane rows, in_features / 32]
  std::size_t in_features = 0;
  std::size_t first_row = 0;
  std::size_t row_step = 1;
};
[[nodiscard]] std::shared_ptr<const RowReader> make_mxfp4_reader(const Mxfp4Plane& plane);

}  // namespace trine::models
