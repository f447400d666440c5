// GPTQ: weights are rounded one input after the other, and the error of each is made good by
// those that follow, as far as the products E[x xᵀ] of their inputs say (Frantar et al. 2022,
// arXiv:2210.17323). It needs statistics with "blocks" or "full" moments; with blocks, errors
// stay within their block.
//
// "gptq-compat" is what the published expert-wise mixed precision ran: grids from 101 stretches of
// min and max between 0.9 and 1.1, the one with the least Σ|error|^2.4, always reaching over 0;
// inputs in natural order; and up to 3 bits no feedback within a block of 128 inputs, only from
// block to block.
//
// "gptq" feeds back at every width. Its grids are least squares in which each weight counts what
// its error costs after feedback, and inputs come in the order of falling E[x²], group by group, so
// that a grid is fitted when all its weights are next. KL to the original on tiny-mixtral (groups
// of 64, full moments of other pages of the same books), at 2 and 3 bits:
//
//     gptq-compat                                                0.0779  0.0149
//     feedback everywhere, the published grids                   0.0515  –
//     feedback everywhere, least squares weighted with E[x²]     0.0408  –
//     … weighted with the cost after feedback                    0.0403  0.0088
//     … groups with large inputs first (this one)                0.0399  0.0089
//     … single inputs with large E[x²] first, grids fixed before 0.0440  0.0091
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "compress/quantizers/error_feedback.h"
#include "compress/quantizers/fitted_grid.h"
#include "compress/quantizers/grouping.h"
#include "compress/quantizers/metadata.h"
#include "compress/quantizers/quantizer.h"
#include "core/packed_matrix.h"
#include "kernels/linalg/dense_algebra.h"

namespace trine::compress {
namespace {

constexpr double kDamping = 0.01;           // of the mean E[x²], as published
constexpr std::size_t kBlockPlaces = 128;   // inputs between two updates of all that follow
constexpr std::size_t kGptqPanelRows = 64;  // rows that are worked on together

struct Recipe {
  bool searches_stretch = false;  ///< published grid search; else least squares
  bool largest_first = false;     ///< else inputs in natural order
  int least_bits_with_inner_feedback = 2;
};

/// magnitude^2.4 = t · t^(1/5) for t = magnitude²: a guess from the exponent and three of Newton's
/// steps, to 1e-6 of itself. std::pow made the search take nine tenths of the time of everything.
float power_2_4(float magnitude) {
  const float square = magnitude * magnitude;
  constexpr std::uint32_t kFourFifthsOfOne = 0x32cccccd;  // 0.8 · the bits of 1.0f
  float root =
      std::bit_cast<float>(std::bit_cast<std::uint32_t>(square) / 5 + kFourFifthsOfOne);
  for (int step = 0; step < 3; ++step) {
    const float fourth = root * root * root * root;
    root = 0.8f * root + 0.2f * square / fourth;
  }
  return square * root;
}

/// Σ |error|^2.4 on this grid.
double stretched_error(std::span<const float> weights, AffineGroup grid, float max_code) {
  std::array<float, kMostGroupSize> powers;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const float code = nearest_code(weights[i] / grid.scale + grid.zero, max_code);
    powers[i] = power_2_4(std::abs(weights[i] - (code - grid.zero) * grid.scale));
  }
  double sum = 0.0;
  for (std::size_t i = 0; i < weights.size(); ++i) sum += static_cast<double>(powers[i]);
  return sum;
}

/// The published grid: min and max, with 0 between them, stretched by the best of 101 factors.
AffineGroup stretched_group(std::span<const float> weights, float max_code) {
  const Range range = range_of(weights);
  const float low = std::min(range.low, 0.0f), high = std::max(range.high, 0.0f);
  if (low == high) return flat_group(0.0f);
  AffineGroup best{1.0f, -low / ((high - low) / max_code)};
  double least = std::numeric_limits<double>::infinity();
  for (int step = 0; step <= 100; ++step) {
    const float stretch = 0.9f + 0.002f * static_cast<float>(step);
    const float scale = std::max(stretch * (high - low) / max_code, kSmallestScale);
    const double error = stretched_error(weights, {scale, best.zero}, max_code);
    if (!(error < least)) continue;
    least = error;
    best.scale = scale;
  }
  return best;
}

/// One matrix under way.
class Rounding {
 public:
  Rounding(const Recipe& recipe, MatrixView weights, const QuantizerOptions& options,
           QuantizedMatrix& matrix)
      : recipe_(recipe),
        weights_(weights),
        options_(options),
        matrix_(matrix),
        max_code_(static_cast<float>((1 << options.bits) - 1)),
        grids_(weights.rows) {}

  void run() {
    prepare();
    const std::size_t panels = (weights_.rows + kGptqPanelRows - 1) / kGptqPanelRows;
#pragma omp parallel num_threads(options_.threads)
    {
      if (options_.metadata_bits == 8) {
#pragma omp for schedule(static)
        for (std::size_t row = 0; row < weights_.rows; ++row) fit_row_grid(row);
      }
#pragma omp for schedule(static)
      for (std::size_t panel = 0; panel < panels; ++panel) {
        std::size_t first = 0;
        for (const ErrorFeedback& feedback : feedbacks_) {
          round_panel(feedback, first, panel * kGptqPanelRows);
          first += feedback.size();
        }
      }
    }
  }

 private:
  /// The feedback of every block of moments, and what errors cost under it.
  void prepare() {
    const InputMoments& moments = options_.moments;
    const float* block = moments.blocks.data();
    costs_.resize(weights_.cols);
    for (std::size_t first = 0; first < weights_.cols; first += moments.block_size) {
      const std::size_t size = std::min(moments.block_size, weights_.cols - first);
      const std::span products(block, size * size);
      const ErrorFeedback& feedback = feedbacks_.emplace_back(
          products,
          recipe_.largest_first ? largest_first(products, size, options_.group_size)
                                : natural_order(size),
          kDamping);
      for (std::size_t place = 0; place < size; ++place) {
        costs_[first + feedback.order()[place]] = feedback.cost(place);
      }
      block += size * size;
    }
  }

  /// What the metadata of a row will be able to express: with bytes, taken from the grids of the
  /// original weights, because it must be known before the first code.
  void fit_row_grid(std::size_t row) {
    const std::size_t groups = matrix_.num_groups(), first = row * groups;
    const std::span<const float> costs(costs_);
    std::size_t col = 0;
    for_each_group({weights_}, matrix_, row, [&](const GroupView& group) {
      const AffineGroup grid = fitted(group.weights, costs.subspan(col, group.weights.size()));
      group.scale = grid.scale;
      group.zero = grid.zero;
      col += group.weights.size();
    });
    grids_[row] =
        RowGrid(std::span<const float>(matrix_.scales).subspan(first, groups),
                std::span<const float>(matrix_.zeros).subspan(first, groups), options_.bits);
    matrix_.scale_steps[row] = grids_[row].scale_step();
    matrix_.zero_steps[row] = grids_[row].zero_step();
  }

  [[nodiscard]] AffineGroup fitted(std::span<const float> weights,
                                   std::span<const float> costs) const {
    return recipe_.searches_stretch ? stretched_group(weights, max_code_)
                                    : fitted_grid(weights, costs, options_);
  }

  /// Rounds all inputs of `feedback` for some rows. `values` [place][row] are the weights with
  /// the errors so far made good.
  void round_panel(const ErrorFeedback& feedback, std::size_t first_col,
                   std::size_t first_row) {
    const std::size_t rows = std::min(kGptqPanelRows, weights_.rows - first_row);
    const std::size_t size = feedback.size();
    std::vector<float> values(size * kGptqPanelRows), errors(kBlockPlaces * kGptqPanelRows);
    for (std::size_t place = 0; place < size; ++place) {
      for (std::size_t row = 0; row < rows; ++row) {
        values[place * kGptqPanelRows + row] =
            weights_.row(first_row + row)[first_col + feedback.order()[place]];
      }
    }
    for (std::size_t begin = 0; begin < size; begin += kBlockPlaces) {
      const std::size_t end = std::min(begin + kBlockPlaces, size);
      for (std::size_t place = begin; place < end; ++place) {
        const std::size_t col = first_col + feedback.order()[place];
        const bool begins_group =
            place == 0 || col / options_.group_size !=
                              (first_col + feedback.order()[place - 1]) / options_.group_size;
        if (begins_group) {
          refit(values, feedback, place, first_col, {first_row, rows});
        }
        float* error = errors.data() + (place - begin) * kGptqPanelRows;
        take_codes(values.data() + place * kGptqPanelRows, {first_row, rows}, col, error);
        if (options_.bits < recipe_.least_bits_with_inner_feedback) continue;
        for (std::size_t later = place + 1; later < end; ++later) {
          const float share = feedback.shares(place)[later];
          float* value = values.data() + later * kGptqPanelRows;
          for (std::size_t row = 0; row < kGptqPanelRows; ++row)
            value[row] -= share * error[row];
        }
      }
      if (end == size) break;
      kernels::multiply_parallel({size - end, kGptqPanelRows, end - begin,
                                  kernels::Transposed::kYes, kernels::Transposed::kNo},
                                 {feedback.shares(begin) + end, size},
                                 {errors.data(), kGptqPanelRows}, {-1.0f, 1.0f},
                                 {values.data() + end * kGptqPanelRows, kGptqPanelRows}, 1);
    }
  }

  struct Rows {
    std::size_t first, count;
  };

  /// Grids of the group that begins at `place`, for the weights as they have become.
  void refit(const std::vector<float>& values, const ErrorFeedback& feedback, std::size_t place,
             std::size_t first_col, Rows rows) {
    const std::size_t group = (first_col + feedback.order()[place]) / options_.group_size;
    std::vector<float> weights, costs;
    for (std::size_t at = place; at < feedback.size(); ++at) {
      if ((first_col + feedback.order()[at]) / options_.group_size != group) break;
      costs.push_back(feedback.cost(at));
    }
    weights.resize(costs.size());
    for (std::size_t row = 0; row < rows.count; ++row) {
      for (std::size_t i = 0; i < costs.size(); ++i) {
        weights[i] = values[(place + i) * kGptqPanelRows + row];
      }
      const RowGrid& row_grid = grids_[rows.first + row];
      AffineGroup grid = fitted(weights, costs);
      grid = recipe_.searches_stretch
                 ? AffineGroup{row_grid.rounded_scale(grid.scale),
                               row_grid.rounded_zero(grid.zero)}
                 : stored_grid(weights, costs, options_.bits, grid, row_grid);
      const std::size_t at = (rows.first + row) * matrix_.num_groups() + group;
      matrix_.scales[at] = grid.scale;
      matrix_.zeros[at] = grid.zero;
    }
  }

  /// Codes of one input and what they miss; 0 beyond the last row.
  void take_codes(const float* values, Rows rows, std::size_t col, float* error) {
    const std::size_t groups = matrix_.num_groups();
    std::fill(error, error + kGptqPanelRows, 0.0f);
    for (std::size_t row = 0; row < rows.count; ++row) {
      const std::size_t at = (rows.first + row) * groups + col / options_.group_size;
      const float scale = matrix_.scales[at], zero = matrix_.zeros[at];
      const float code = nearest_code(values[row] / scale + zero, max_code_);
      matrix_.codes[(rows.first + row) * matrix_.cols + col] = static_cast<std::uint8_t>(code);
      error[row] = values[row] - (code - zero) * scale;
    }
  }

  const Recipe& recipe_;
  MatrixView weights_;
  const QuantizerOptions& options_;
  QuantizedMatrix& matrix_;
  float max_code_;
  std::vector<RowGrid> grids_;
  std::vector<ErrorFeedback> feedbacks_{};
  std::vector<float> costs_{};  ///< by input
};

class Gptq final : public Quantizer {
 public:
  explicit Gptq(const Recipe& recipe) : recipe_(recipe) {}

  Result<QuantizedMatrix> quantize(MatrixView weights,
                                   const QuantizerOptions& options) const override {
    if (options.moments.block_size == 0 || options.moments.diagonal.empty()) {
      return fail(ErrorCode::kInvalidArgument,
                  "quantizer gptq needs products of inputs; give --stats with statistics of "
                  "`trine calibrate --moments full` (or blocks)");
    }
    if (options.moments.block_size % options.group_size != 0 &&
        options.moments.block_size < weights.cols) {
      return fail(ErrorCode::kInvalidArgument,
                  "quantizer gptq: moments in blocks of {}, expected a multiple of the group "
                  "size {}",
                  options.moments.block_size, options.group_size);
    }
    TRINE_ASSIGN_OR_RETURN(QuantizedMatrix matrix, start_matrix(weights, options));
    Rounding(recipe_, weights, options, matrix).run();
    return matrix;
  }

 private:
  Recipe recipe_;
};

constexpr Recipe kGptq{.largest_first = true};
constexpr Recipe kCompat{.searches_stretch = true, .least_bits_with_inner_feedback = 4};

}  // namespace

std::unique_ptr<Quantizer> make_gptq();
std::unique_ptr<Quantizer> make_gptq() { return std::make_unique<Gptq>(kGptq); }
std::unique_ptr<Quantizer> make_gptq_compat();
std::unique_ptr<Quantizer> make_gptq_compat() { return std::make_unique<Gptq>(kCompat); }

}  // namespace trine::compress
