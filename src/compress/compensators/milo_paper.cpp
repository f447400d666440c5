// MiLo as published (arXiv 2504.02658, algorithm 1 and section 3.2): the quantizer and the best
// rank-r product of its residual in turns, 21 passes, √Σ on both sides, factors rounded to symmetric
// codes in groups of 64 once, at the end. The randomized SVD has q = rank and two power iterations.
//
// Two departures, both so that the stored form is the one every model here has: the factors' scale
// is the largest magnitude of a group (the released code takes the largest value and clips), and the
// groups of the left factor run along the outputs, not along the rank.
#include <cmath>

#include "compress/compensators/compensator.h"
#include "compress/residual.h"

namespace trine::compress {
namespace {

constexpr int kPasses = 21;
constexpr int kPowerIterations = 2;

class MiloPaper final : public Compensator {
 public:
  Result<Compensated> compensate(MatrixView weights, const MatrixPlan& plan,
                                 const Quantizer& quantizer,
                                 const CompensatorOptions& options) const override {
    const QuantizerOptions quantizing{.bits = plan.bits,
                                      .group_size = plan.group_size,
                                      .metadata_bits = plan.metadata_bits,
                                      .threads = options.threads};
    const double norm = squared_norm(weights, options.threads);
    const auto shaped = [&](const std::vector<float>& values) {
      return MatrixView{weights.rows, weights.cols, values};
    };
    Compensated result;
    LowRankFactors factors;
    std::vector<float> rest, residual;
    subtract_factors(weights, factors, options.threads, rest);
    for (int pass = 0; pass < kPasses; ++pass) {
      TRINE_ASSIGN_OR_RETURN(result.codes, quantizer.quantize(shaped(rest), quantizing));
      relax(weights, weights, result.codes, 0.0f, options.threads, residual);
      factors =
          randomized_svd(shaped(residual), plan.rank, kPowerIterations,
                         options.seed + static_cast<std::uint64_t>(pass), options.threads);
      subtract_factors(weights, factors, options.threads, rest);
      const double error = squared_error(shaped(rest), result.codes, options.threads);
      result.trace.push_back(norm > 0.0 ? std::sqrt(error / norm) : 0.0);
    }
    result.factors = {plan.factor_bits, std::move(factors), {}, {}};
    LowRankFactors& numbers = result.factors.numbers;
    TRINE_ASSIGN_OR_RETURN(result.factors.left,
                           round_factor(numbers.left, plan.rank, plan.factor_bits,
                                        plan.metadata_bits, round_symmetric, options.threads));
    TRINE_ASSIGN_OR_RETURN(result.factors.right,
                           round_factor(numbers.right, plan.rank, plan.factor_bits,
                                        plan.metadata_bits, round_symmetric, options.threads));
    return result;
  }
};

}  // namespace

std::unique_ptr<Compensator> make_milo_paper();
std::unique_ptr<Compensator> make_milo_paper() { return std::make_unique<MiloPaper>(); }

}  // namespace trine::compress
