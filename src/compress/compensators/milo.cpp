// MiLo's alternation (arXiv 2504.02658) with what its published form leaves on the table:
//
// * the factors are rounded inside the loop, to least-squares grids, so that the quantizer sees
//   what will be stored; the left factor is fitted to the rounded right one, the right to the
//   rounded left;
// * that is a step of alternating least squares from the factors there are, two products with the
//   residual instead of the eight of a randomized SVD. Subspace, rounding and fits together (four
//   products) were no better: 0.1319 and 0.1148 with rank 16 and 32 (tiny-mixtral, 28 iterations)
//   where alternating alone came to 0.1314 and 0.1136. Only the first factors need a subspace;
// * the factors are over-relaxed: they are fitted to the residual plus 0.8 of what they have not
//   reached yet, because plain alternation still improves by 0.2 % an iteration after 20 (rank 16,
//   20 iterations: 0.1326 at 0.7, 0.1321 at 0.8, 0.1320 at 0.9, where rank 32 gets worse; 1.1
//   diverges); the last iterations are plain;
// * the best iterate is kept, and a last quantizer pass fits the codes to the stored factors.
//
// "whitened" runs the same loop where sizes are those of the outputs: with H = E[x xᵀ] = S·Sᵀ of
// the statistics the subspace is that of E·S, and errors are ‖E·S‖F.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <span>

#include "compress/coder.h"
#include "compress/compensators/compensator.h"
#include "compress/input_metric.h"
#include "compress/residual.h"
#include "compress/subspace.h"
#include "kernels/linalg/dense_algebra.h"

namespace trine::compress {
namespace {

constexpr int kPlainIterations = 2;  // at the end
constexpr float kRelaxation = 0.8f;

/// The other factor when one is given: the `free` [rank, other] that makes Σ (E − fixedᵀ · free)²
/// smallest, from (fixed · fixedᵀ) · free = fixed · E, solved in double.
/// @param fixed [rank, width]. @param cross = fixed · E, [rank, other], for E [width, other].
std::vector<float> solve_normal_equations(const std::vector<float>& fixed,
                                          const std::vector<float>& cross, std::size_t rank) {
  const std::size_t width = fixed.size() / rank, other = cross.size() / rank;
  std::vector<double> gram = kernels::gram_matrix(fixed, rank, width, kernels::Transposed::kNo);
  std::vector<double> inverse_length(rank);
  for (std::size_t i = 0; i < rank; ++i) {
    const double square = gram[i * rank + i];
    inverse_length[i] = square > 0.0 ? 1.0 / std::sqrt(square) : 0.0;
  }
  const auto scale = [&](std::vector<double>& matrix) {
    for (std::size_t i = 0; i < rank * rank; ++i) {
      matrix[i] *= inverse_length[i / rank] * inverse_length[i % rank];
    }
  };
  // Between rows of length 1 the ridge sees only how alike they are. The cross products know a bf16
  // factor, the Gram matrix fp32: what they disagree in, 2^-9, may not grow where rows are nearly
  // the same. Ten-thousandths that factors are too short cost nothing.
  constexpr double kRidge = 1e-4;
  scale(gram);
  for (std::size_t i = 0; i < rank; ++i) gram[i * rank + i] += kRidge;
  check(kernels::cholesky(gram, rank), "milo: normal equations are not positive definite");
  std::vector<double> inverse = kernels::inverse_from_cholesky(std::move(gram), rank);
  scale(inverse);
  const std::vector<float> narrow(inverse.begin(), inverse.end());
  std::vector<float> free(rank * other);
  kernels::multiply_parallel(
      {rank, other, rank, kernels::Transposed::kNo, kernels::Transposed::kNo},
      {narrow.data(), rank}, {cross.data(), other}, {1.0f, 0.0f}, {free.data(), other}, 1);
  return free;
}

/// Makes left and right rows equally long, as √Σ on both sides does: what alternating fits make of
/// them would wander, and factors of nothing beyond what fp16 scales hold.
void balance(LowRankFactors& factors) {
  const std::size_t rows = factors.out_features, cols = factors.in_features;
  for (std::size_t k = 0; k < factors.rank; ++k) {
    const std::span left(factors.left.data() + k * rows, rows);
    const std::span right(factors.right.data() + k * cols, cols);
    const double here = squared_norm({1, rows, left}, 1);
    const double there = squared_norm({1, cols, right}, 1);
    if (!(here > 0.0) || !(there > 0.0)) continue;
    const auto by = static_cast<float>(std::pow(there / here, 0.25));
    for (float& value : left) value *= by;
    for (float& value : right) value /= by;
  }
}

/// How far the loop goes. With error feedback a pass of the quantizer costs ten times as much, and
/// it already steers errors where outputs do not see them: KL of gptq at 3 bits with rank 16 after
/// 1, 2 and 7 iterations 0.0072, 0.0071 and 0.0073 (tiny-mixtral). Twenty fits as published; two more
/// took a tenth longer and another 0.0007 of the error.
constexpr int kMiloIterations = 19, kWhitenedIterations = 2;

/// One matrix under way.
class Alternation {
 public:
  Alternation(MatrixView weights, const MatrixPlan& plan, const Quantizer& quantizer,
              const CompensatorOptions& options, const InputMetric& metric)
      : weights_(weights),
        last_iteration_(metric.is_plain() ? kMiloIterations : kWhitenedIterations),
        plan_(plan),
        options_(options),
        metric_(metric),
        memory_(options.memory != nullptr ? *options.memory : own_memory_),
        coder_(weights, quantizer,
               {.bits = plan.bits,
                .group_size = plan.group_size,
                .metadata_bits = plan.metadata_bits,
                .threads = options.threads,
                .moments = options.moments},
               Coder::Start::kFromBefore),
        norm_(metric.is_plain() ? squared_norm(weights, options.threads)
                                : size_of({weights.values.begin(), weights.values.end()})),
        subspace_(plan.rank, options.seed) {}

  Result<Compensated> run() {
    TRINE_RETURN_IF_ERROR(encode(0.0f));
    for (int iteration = 0; iteration <= last_iteration_; ++iteration) {
      TRINE_RETURN_IF_ERROR(iteration == 0 || !metric_.is_plain()
                                ? find_factors()
                                : improve_factors(is_relaxed_at(iteration)));
      TRINE_RETURN_IF_ERROR(encode(is_relaxed_at(iteration + 1) ? kRelaxation : 0.0f));
      // The residual of the next iteration is relaxed already; after that, the plain ones.
      if (is_relaxed_at(iteration + 1) && has_converged(trace_)) {
        last_iteration_ = iteration + 1 + kPlainIterations;
      }
    }
    check(best_codes_ != nullptr, "milo: no iterate has a finite error");
    return Compensated{std::move(*best_codes_), std::move(best_factors_), std::move(trace_)};
  }

 private:
  [[nodiscard]] MatrixView shaped(const std::vector<float>& values) const {
    return {weights_.rows, weights_.cols, values};
  }

  /// ‖values·S‖F².
  [[nodiscard]] double size_of(std::vector<float> values) const {
    return squared_norm(shaped(metric_.whitened(std::move(values), options_.threads)),
                        options_.threads);
  }

  /// New codes for the present factors, and the residual that the next factors are fitted to,
  /// exaggerated when relaxed. Notes what factors and codes leave: the new codes always, the old
  /// ones when the loop is no longer relaxed and they might be the better ones.
  Status encode(float relaxation) {
    const bool is_first = codes_ == nullptr;
    QuantizedMatrix* old = codes_;
    codes_ = unused();
    const auto mode = relaxation > 0.0f ? Coder::Mode::kOnTheWay : Coder::Mode::kResult;
    CodingErrors whitened{};
    if (!metric_.is_plain() && !is_first) whitened.before = whitened_error();
    TRINE_ASSIGN_OR_RETURN(
        CodingErrors errors,
        coder_.encode(factors_.numbers, mode, relaxation, old, *codes_, memory_.residual));
    if (!metric_.is_plain()) whiten_residual();
    if (is_first) return {};
    if (!metric_.is_plain()) errors = {whitened.before, whitened_error()};
    keep(errors.after, codes_);
    double least = errors.after;
    if (mode == Coder::Mode::kResult) {
      keep(errors.before, old);
      least = std::min(least, errors.before);
    }
    trace_.push_back(norm_ > 0.0 ? std::sqrt(least / norm_) : 0.0);
    return {};
  }

  /// Memory for new codes.
  QuantizedMatrix* unused() {
    for (QuantizedMatrix& matrix : memory_.codes) {
      if (&matrix != codes_ && &matrix != best_codes_) return &matrix;
    }
    check(false, "milo: three matrices, and two of them are three");
    return nullptr;
  }

  void whiten_residual() {
    std::vector<float> values(weights_.values.size());
#pragma omp parallel for num_threads(options_.threads) schedule(static)
    for (std::size_t row = 0; row < weights_.rows; ++row) {
      for (std::size_t col = 0; col < weights_.cols; ++col) {
        values[row * weights_.cols + col] = bf16_to_float(memory_.residual.row(row)[col]);
      }
    }
    wide_ = metric_.whitened(std::move(values), options_.threads);
    whitened_.assign(shaped(wide_), options_.threads);
  }

  /// ‖(residual − left·right)·S‖F² for the present residual and factors.
  [[nodiscard]] double whitened_error() const {
    LowRankFactors factors = factors_.numbers;
    factors.right = metric_.whitened(std::move(factors.right), options_.threads);
    return squared_norm(shaped(without_factors(shaped(wide_), factors, options_.threads)),
                        options_.threads);
  }

  [[nodiscard]] bool is_relaxed_at(int iteration) const {
    return metric_.is_plain() && iteration + kPlainIterations <= last_iteration_;
  }

  /// Factors for the present codes from nothing, rounded as they will be stored.
  Status find_factors() {
    const kernels::Bf16Matrix& whitened = metric_.is_plain() ? memory_.residual : whitened_;
    constexpr int kPasses = 1;
    factors_ = {
        plan_.factor_bits, subspace_.approximate(whitened, kPasses, options_.threads), {}, {}};
    factors_.numbers.right =
        metric_.unwhitened(std::move(factors_.numbers.right), options_.threads);
    TRINE_RETURN_IF_ERROR(round(factors_.numbers.left, factors_.left));
    factors_.numbers.right = fitted_right();
    TRINE_RETURN_IF_ERROR(round(factors_.numbers.right, factors_.right));
    if (metric_.is_plain()) return {};  // improve_factors() begins with the left one
    factors_.numbers.left = fitted_left(whitened);
    return round(factors_.numbers.left, factors_.left);
  }

  /// Better factors for the present codes from those for the codes before.
  /// @param from_last_grids rounding starts from the grids there are instead of searching: a
  ///        tenth of the work. Never searching would add 0.1 to 0.2 % to the error.
  Status improve_factors(bool from_last_grids) {
    factors_.numbers.left = fitted_left(memory_.residual);
    balance(factors_.numbers);
    TRINE_RETURN_IF_ERROR(round(factors_.numbers.left, factors_.left, from_last_grids));
    factors_.numbers.right = fitted_right();
    return round(factors_.numbers.right, factors_.right, from_last_grids);
  }

  Status round(std::vector<float>& factor, QuantizedMatrix& codes,
               bool from_last_grids = false) const {
    const RoundingOptions rounding{.factor_bits = plan_.factor_bits,
                                   .metadata_bits = plan_.metadata_bits,
                                   .threads = options_.threads,
                                   .start = from_last_grids ? &codes : nullptr};
    TRINE_ASSIGN_OR_RETURN(codes,
                           round_factor(factor, plan_.rank, rounding, round_least_squares));
    return {};
  }

  [[nodiscard]] std::vector<float> fitted_right() const {
    const std::vector<float>& left = factors_.numbers.left;
    return solve_normal_equations(
        left, transposed_times(memory_.residual, left, plan_.rank, options_.threads),
        plan_.rank);
  }

  [[nodiscard]] std::vector<float> fitted_left(const kernels::Bf16Matrix& whitened) const {
    const std::vector<float> right = metric_.whitened(factors_.numbers.right, options_.threads);
    return solve_normal_equations(right, times(whitened, right, plan_.rank, options_.threads),
                                  plan_.rank);
  }

  /// Remembers codes and factors when they are the best so far.
  void keep(double error, QuantizedMatrix* codes) {
    if (!(error < best_error_)) return;
    best_error_ = error;
    best_codes_ = codes;
    best_factors_ = factors_;
  }

  MatrixView weights_;
  int last_iteration_;
  const MatrixPlan& plan_;
  const CompensatorOptions& options_;
  const InputMetric& metric_;
  CompensatorMemory own_memory_{};
  CompensatorMemory& memory_;
  Coder coder_;
  double norm_;
  WarmSubspace subspace_;
  StoredFactors factors_{}, best_factors_{};
  double best_error_ = std::numeric_limits<double>::infinity();
  std::vector<double> trace_{};
  QuantizedMatrix *codes_ = nullptr, *best_codes_ = nullptr;
  kernels::Bf16Matrix whitened_{};  ///< the same in the metric, unless that is plain
  std::vector<float> wide_{};       ///< whitened_ before it was rounded
};

class Milo final : public Compensator {
 public:
  explicit Milo(bool is_whitened) : is_whitened_(is_whitened) {}

  Result<Compensated> compensate(MatrixView weights, const MatrixPlan& plan,
                                 const Quantizer& quantizer,
                                 const CompensatorOptions& options) const override {
    if (is_whitened_ && options.moments.diagonal.empty()) {
      return fail(ErrorCode::kInvalidArgument,
                  "compensator whitened needs to know the inputs; give --stats with statistics "
                  "of `trine calibrate`");
    }
    const InputMetric metric =
        is_whitened_ ? InputMetric(options.moments, weights.cols) : InputMetric();
    return Alternation(weights, plan, quantizer, options, metric).run();
  }

 private:
  bool is_whitened_;
};

}  // namespace

std::unique_ptr<Compensator> make_milo();
std::unique_ptr<Compensator> make_milo() { return std::make_unique<Milo>(false); }
std::unique_ptr<Compensator> make_whitened();
std::unique_ptr<Compensator> make_whitened() { return std::make_unique<Milo>(true); }

}  // namespace trine::compress
