// MiLo as published (arXiv 2504.02658, algorithm 1 and section 3.2): the quantizer and the best
// rank-r product of its residual in turns, 21 passes, √Σ on both sides, factors rounded to symmetric
// codes in groups of 64 once, at the end. The randomized SVD has q = rank and two power iterations.
//
// Two departures, both so that the stored form is the one every model here has: the factors' scale
// is the largest magnitude of a group (the released code takes the largest value and clips), and the
// groups of the left factor run along the outputs, not along the rank.
#include <cmath>

#include "compress/coder.h"
#include "compress/compensators/compensator.h"
#include "compress/residual.h"
#include "compress/subspace.h"

namespace trine::compress {
namespace {

constexpr int kPasses = 21;
constexpr int kPowerIterations = 2;

class MiloPaper final : public Compensator {
 public:
  Result<Compensated> compensate(MatrixView weights, const MatrixPlan& plan,
                                 const Quantizer& quantizer,
                                 const CompensatorOptions& options) const override {
    Coder coder(weights, quantizer,
                {.bits = plan.bits,
                 .group_size = plan.group_size,
                 .metadata_bits = plan.metadata_bits,
                 .threads = options.threads},
                Coder::Start::kAfresh);
    const double norm = squared_norm(weights, options.threads);
    Compensated result;
    LowRankFactors factors;
    QuantizedMatrix next;
    kernels::Bf16Matrix residual;
    TRINE_RETURN_IF_ERROR(
        coder.encode(factors, Coder::Mode::kResult, 0.0f, nullptr, result.codes, residual));
    for (int pass = 0; pass < kPasses; ++pass) {
      factors =
          randomized_svd(residual, plan.rank, kPowerIterations,
                         options.seed + static_cast<std::uint64_t>(pass), options.threads);
      // The codes of the next pass; of the last one only the error of those before is wanted.
      TRINE_ASSIGN_OR_RETURN(
          const CodingErrors errors,
          coder.encode(factors, Coder::Mode::kResult, 0.0f, &result.codes, next, residual));
      result.trace.push_back(norm > 0.0 ? std::sqrt(errors.before / norm) : 0.0);
      if (pass + 1 < kPasses) std::swap(result.codes, next);
    }
    result.factors = {plan.factor_bits, std::move(factors), {}, {}};
    LowRankFactors& numbers = result.factors.numbers;
    const RoundingOptions rounding{plan.factor_bits, plan.metadata_bits, options.threads};
    TRINE_ASSIGN_OR_RETURN(result.factors.left,
                           round_factor(numbers.left, plan.rank, rounding, round_symmetric));
    TRINE_ASSIGN_OR_RETURN(result.factors.right,
                           round_factor(numbers.right, plan.rank, rounding, round_symmetric));
    return result;
  }
};

}  // namespace

std::unique_ptr<Compensator> make_milo_paper();
std::unique_ptr<Compensator> make_milo_paper() { return std::make_unique<MiloPaper>(); }

}  // namespace trine::compress
