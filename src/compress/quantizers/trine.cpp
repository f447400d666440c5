// Least squares for scale and zero of every group, by alternation from several starts. The
// published HQQ keeps the min/max scale and moves the zero alone; fitting both loses 25 % less of
// the weights at 2 bits, 11 % less at 3, 5 % less at 4 (tiny-mixtral, group 64).
//
// With input moments the error of a weight counts E[x²] of its input.
//
// Rounding to the stored scales and zeros is part of the fit: first the scale is rounded, then the
// zero is fitted again to the rounded scale, rounded, and the codes taken last.
#include <cmath>
#include <vector>

#include "compress/quantizers/fitted_grid.h"
#include "compress/quantizers/grouping.h"
#include "compress/quantizers/metadata.h"
#include "compress/quantizers/quantizer.h"

namespace trine::compress {
namespace {

/// What the errors of a group count.
std::span<const float> importance_of(const QuantizerOptions& options, std::size_t first_col,
                                     std::size_t count) {
  if (options.moments.diagonal.empty()) return {};
  return options.moments.diagonal.subspan(first_col, count);
}

void take_codes(const GroupView& group, float max_code) {
  for (std::size_t i = 0; i < group.weights.size(); ++i) {
    group.codes[i] = static_cast<std::uint8_t>(
        nearest_code(group.weights[i] / group.scale + group.zero, max_code));
  }
}

class Trine final : public RowQuantizer {
 public:
  void quantize_panel(const Panel& panel, const QuantizerOptions& options,
                      QuantizedMatrix& matrix) const override {
    for (std::size_t row = 0; row < panel.weights.rows; ++row) {
      fit_row(panel, options, row, matrix);
      round_row(panel, options, row, matrix);
    }
  }

 private:
  static void fit_row(const Panel& panel, const QuantizerOptions& options, std::size_t row,
                      QuantizedMatrix& matrix) {
    std::size_t col = panel.first_col;
    std::size_t at =
        (panel.first_row + row) * matrix.num_groups() + panel.first_col / matrix.group_size;
    for_each_group(panel, matrix, row, [&](const GroupView& group) {
      AffineGroup start;
      if (options.start != nullptr) {
        start = {options.start->scales[at], options.start->zeros[at]};
      }
      const AffineGroup grid =
          fitted_grid(group.weights, importance_of(options, col, group.weights.size()), options,
                      options.start == nullptr ? nullptr : &start);
      col += group.weights.size();
      ++at;
      group.scale = grid.scale;
      group.zero = grid.zero;
    });
  }

  static void round_row(const Panel& panel, const QuantizerOptions& options, std::size_t row,
                        QuantizedMatrix& matrix) {
    const auto max_code = static_cast<float>((1 << options.bits) - 1);
    RowGrid grid;
    if (options.metadata_bits == 8) {
      const std::size_t groups = matrix.num_groups(), matrix_row = panel.first_row + row;
      const std::size_t first = matrix_row * groups;
      grid = RowGrid(std::span<const float>(matrix.scales).subspan(first, groups),
                     std::span<const float>(matrix.zeros).subspan(first, groups), options.bits);
      matrix.scale_steps[matrix_row] = grid.scale_step();
      matrix.zero_steps[matrix_row] = grid.zero_step();
    }
    std::size_t col = panel.first_col;
    for_each_group(panel, matrix, row, [&](const GroupView& group) {
      const AffineGroup stored =
          stored_grid(group.weights, importance_of(options, col, group.weights.size()),
                      options.bits, {group.scale, group.zero}, grid);
      col += group.weights.size();
      group.scale = stored.scale;
      group.zero = stored.zero;
      take_codes(group, max_code);
    });
  }
};

}  // namespace

std::unique_ptr<Quantizer> make_trine();
std::unique_ptr<Quantizer> make_trine() { return std::make_unique<Trine>(); }

}  // namespace trine::compress
