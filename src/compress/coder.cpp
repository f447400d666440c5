#include "compress/coder.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "compress/quantizers/affine_group.h"
#include "compress/quantizers/grouping.h"
#include "compress/residual.h"
#include "kernels/lanes.h"
#include "kernels/linalg/coded_rows.h"
#include "kernels/linalg/subtracted_product.h"

namespace trine::compress {
namespace {

using kernels::kLanes;
using kernels::Lanes;
using kernels::Rectangle;

// A piece in fp32 is 128 KiB, its weights as much again: both fit the second cache beside the part
// of the right factor that the pieces of a strip share.
constexpr std::size_t kPieceRows = 16;
constexpr std::size_t kPieceCols = 2048;
constexpr std::size_t kStripRows = 64;  // given to a thread

const kernels::CodedRowLoops& loops() { return *kernels::runnable_coded_row_loops().back(); }

/// The largest |value|. Without their signs floats are ordered as their bits are, and a maximum of
/// integers is one instruction.
TRINE_EVERY_WIDTH float largest_size(const float* values, std::size_t count) {
  using Ints = std::int32_t __attribute__((vector_size(64)));
  Ints largest = {};
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    Ints bits;
    std::memcpy(&bits, values + i, sizeof bits);
    bits &= 0x7FFFFFFF;
    largest = bits > largest ? bits : largest;
  }
  Lanes sizes;
  std::memcpy(&sizes, &largest, sizeof sizes);
  float result = kernels::largest_of_lanes(sizes);
  for (; i < count; ++i) result = std::max(result, std::abs(values[i]));
  return result;
}

}  // namespace

struct Coder::Pass {
  const kernels::SubtractedProduct& product;
  float relaxation;
  const QuantizedMatrix* before;
  QuantizedMatrix& codes;
  kernels::Bf16Matrix& residual;
};

Result<CodingErrors> Coder::encode(const LowRankFactors& factors, Mode mode, float relaxation,
                                   const QuantizedMatrix* before, QuantizedMatrix& codes,
                                   kernels::Bf16Matrix& residual) {
  check(before != &codes, "encode: new codes over those they start from");
  residual.reshape(weights_.rows, weights_.cols);
  if (start_ == Start::kFromBefore) options_.start = before;
  using Precision = kernels::SubtractedProduct::Precision;
  const kernels::SubtractedProduct product(
      factors, mode == Mode::kOnTheWay ? Precision::kBf16 : Precision::kSingle,
      options_.threads);
  const Pass pass{product, relaxation, mode == Mode::kOnTheWay ? nullptr : before, codes,
                  residual};
  const RowQuantizer* by_rows = quantizer_.by_rows();
  return by_rows != nullptr ? encode_pieces(pass, *by_rows) : encode_whole(pass);
}

Result<CodingErrors> Coder::encode_pieces(const Pass& pass, const RowQuantizer& quantizer) {
  TRINE_RETURN_IF_ERROR(make_room(weights_, options_, pass.codes));
  const std::size_t rows = weights_.rows, cols = weights_.cols;
  const std::size_t piece_cols = options_.metadata_bits == 8 ? cols : kPieceCols;
  const std::size_t across = (cols + piece_cols - 1) / piece_cols;
  std::vector<double> before(rows * across), after(rows * across);
  std::vector<float> largest(rows * across);
#pragma omp parallel num_threads(options_.threads)
  {
    std::vector<float> rest(kPieceRows * piece_cols);
#pragma omp for schedule(dynamic)
    for (std::size_t strip = 0; strip < rows; strip += kStripRows) {
      const std::size_t strip_end = std::min(strip + kStripRows, rows);
      for (std::size_t index = 0; index < across; ++index) {
        for (std::size_t row = strip; row < strip_end; row += kPieceRows) {
          const std::size_t col = index * piece_cols;
          const Rectangle piece{row, col, std::min(kPieceRows, strip_end - row),
                                std::min(piece_cols, cols - col)};
          pass.product.subtract(weights_, piece, rest.data());
          largest[row * across + index] = largest_size(rest.data(), piece.rows * piece.cols);
          if (!check_size(largest[row * across + index])) continue;
          for (std::size_t i = 0; pass.before != nullptr && i < piece.rows; ++i) {
            before[(row + i) * across + index] =
                loops().squared_error(rest.data() + i * piece.cols,
                                      coded_row(*pass.before, row + i, col, piece.cols));
          }
          quantizer.quantize_panel(
              {{piece.rows, piece.cols, {rest.data(), piece.rows * piece.cols}}, row, col},
              options_, pass.codes);
          for (std::size_t i = 0; i < piece.rows; ++i) {
            after[(row + i) * across + index] = loops().leave_residual(
                weights_.row(row + i).data() + col, rest.data() + i * piece.cols,
                coded_row(pass.codes, row + i, col, piece.cols), pass.relaxation,
                pass.residual.row(row + i) + col);
          }
        }
      }
    }
  }
  TRINE_RETURN_IF_ERROR(check_size(*std::ranges::max_element(largest)));
  return CodingErrors{in_order(before), in_order(after)};
}

Result<CodingErrors> Coder::encode_whole(const Pass& pass) {
  const std::size_t rows = weights_.rows, cols = weights_.cols;
  rest_.resize(rows * cols);
  std::vector<double> before(rows), after(rows);
#pragma omp parallel for num_threads(options_.threads) schedule(static)
  for (std::size_t row = 0; row < rows; ++row) {
    pass.product.subtract(weights_, {row, 0, 1, cols}, rest_.data() + row * cols);
    if (pass.before == nullptr) continue;
    before[row] =
        loops().squared_error(rest_.data() + row * cols, coded_row(*pass.before, row, 0, cols));
  }
  TRINE_ASSIGN_OR_RETURN(pass.codes, quantizer_.quantize({rows, cols, rest_}, options_));
#pragma omp parallel for num_threads(options_.threads) schedule(static)
  for (std::size_t row = 0; row < rows; ++row) {
    after[row] = loops().leave_residual(weights_.row(row).data(), rest_.data() + row * cols,
                                        coded_row(pass.codes, row, 0, cols), pass.relaxation,
                                        pass.residual.row(row));
  }
  return CodingErrors{in_order(before), in_order(after)};
}

}  // namespace trine::compress
