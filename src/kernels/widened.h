// A dense or encoded matrix as fp32.
#pragma once

#include <cstddef>
#include <vector>

#include "core/row_reader.h"
#include "core/tensor_view.h"

namespace trine::kernels {

/// `rows` · `cols` numbers of a tensor in F32, F16 or BF16, row-major.
[[nodiscard]] std::vector<float> widened(const TensorView& tensor, std::size_t rows,
                                         std::size_t cols, int threads);

/// The same of anything behind a reader of rows.
[[nodiscard]] std::vector<float> widened(const RowReader& reader, std::size_t rows,
                                         std::size_t cols, int threads);

}  // namespace trine::kernels
