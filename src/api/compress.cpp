#include <trine/compress.h>

#include <chrono>

#include "api/opened_model.h"
#include "compress/compressor.h"

namespace trine {

Result<CompressReport> compress_model(const std::string& source, const std::string& target,
                                      const CompressOptions& options,
                                      const ProgressCallback& progress) {
  const auto start = std::chrono::steady_clock::now();
  TRINE_ASSIGN_OR_RETURN(const int threads, api::resolve_threads(options.threads));
  TRINE_ASSIGN_OR_RETURN(compress::Recipe recipe,
                         compress::parse_preset(options.preset, options.group_size));
  recipe.allow_nonfinite = options.allow_nonfinite;
  TRINE_ASSIGN_OR_RETURN(const auto original, checkpoint::Checkpoint::open(source));
  TRINE_ASSIGN_OR_RETURN(const packed::Manifest manifest,
                         compress::compress(original, recipe, target, threads, progress));
  const packed::Totals& totals = manifest.totals;
  const auto& nonfinite = manifest.nonfinite;
  return CompressReport{
      .bits_per_weight = totals.bits_per_weight(),
      .weight_error = totals.weight_error,
      .compressed_matrix_bytes = totals.compressed_matrix_bytes,
      .stored_bytes = totals.stored_bytes,
      .original_bytes = totals.original_bytes,
      .seconds =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
      .peak_rss_bytes = api::peak_rss_bytes(),
      .nonfinite_weights = packed::count_nonfinite_weights(manifest),
      .nonfinite_tensors = nonfinite.size(),
      .first_nonfinite_tensor = nonfinite.empty() ? "" : nonfinite.begin()->first};
}

}  // namespace trine
