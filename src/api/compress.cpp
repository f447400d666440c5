#include <trine/compress.h>

#include <chrono>

#include "api/opened_model.h"
#include "compress/compressor.h"
#include "compress/recipe.h"

namespace trine {

Result<CompressReport> compress_model(const std::string& source, const std::string& target,
                                      const CompressOptions& options,
                                      const ProgressCallback& progress) {
  const auto start = std::chrono::steady_clock::now();
  TRINE_ASSIGN_OR_RETURN(const int threads, api::resolve_threads(options.threads));
  TRINE_ASSIGN_OR_RETURN(MatrixPlan matrix_plan,
                         compress::parse_preset(options.preset, options.group_size));
  TRINE_ASSIGN_OR_RETURN(const auto original, checkpoint::Checkpoint::open(source));
  matrix_plan.metadata_bits = options.metadata_bits;
  if (options.rank.starts_with("uniform-")) {
    matrix_plan.rank = std::stoul(options.rank.substr(8));
    matrix_plan.factor_bits = options.factor_bits;
    matrix_plan.compensator = options.compensator;
  }
  plan::Plan plan{.trine_version = TRINE_VERSION,
                  .preset = options.preset,
                  .allocator = "uniform"};
  for (const MatrixSpec* matrix : compressible_matrices(original.spec())) {
    plan.matrices[matrix->name] = matrix_plan;
  }
  TRINE_ASSIGN_OR_RETURN(const packed::Manifest manifest,
                         compress::compress(original, plan, target, {.threads = threads},
                                            progress));
  const packed::Totals& totals = manifest.totals;
  return CompressReport{
      .bits_per_weight = totals.bits_per_weight(),
      .weight_error = totals.weight_error,
      .compressed_matrix_bytes = totals.compressed_matrix_bytes,
      .stored_bytes = totals.stored_bytes,
      .original_bytes = totals.original_bytes,
      .seconds =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
      .peak_rss_bytes = api::peak_rss_bytes()};
}

}  // namespace trine
