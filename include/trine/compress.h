// Makes a packed model out of a checkpoint.
#pragma once

#include <cstdint>
#include <string>
#include <trine/plan.h>
#include <trine/progress.h>
#include <trine/result.h>

namespace trine {

struct CompressOptions {
  PlanOptions plan{};        ///< used unless there is a plan file
  std::string plan_file{};   ///< a plan as `trine plan` writes it
  std::string trace_file{};  ///< CSV to write: matrix,iteration,relative_error; empty: none
  int threads = 0;           ///< 0: all processors; the output is the same for any number
  /// Whether a model with infinities or NaNs is compressed rather than refused: they are packed
  /// as 0, and stay what they are in tensors that are copied. trine.json counts them.
  bool allow_nonfinite = false;
  /// Takes over the matrices that an interrupted run to the same target had finished, as far as
  /// model, plan, statistics and version are the same. The bytes written are those of a run
  /// without interruption.
  bool resume = false;
};

struct CompressReport {
  double bits_per_weight =
      0.0;                    ///< stored bytes of the compressed matrices × 8 ÷ their weights
  double weight_error = 0.0;  ///< ‖W − Ŵ‖F / ‖W‖F over all of them
  std::uint64_t compressed_matrix_bytes = 0;
  std::uint64_t stored_bytes = 0;    ///< the whole compressed model
  std::uint64_t original_bytes = 0;  ///< the whole original
  double seconds = 0.0;
  std::uint64_t peak_rss_bytes = 0;     ///< of the process
  std::uint64_t resumed_matrices = 0;   ///< taken over from an interrupted run
  std::uint64_t nonfinite_weights = 0;  ///< infinities and NaNs found, when they are allowed
  std::uint64_t nonfinite_tensors = 0;  ///< in so many tensors
  std::string
      first_nonfinite_tensor{};  ///< the first of them by name; empty when there is none
};

/// Reads the checkpoint in `source` and writes a packed model to `target`, a directory that must
/// not exist; it appears whole or not at all.
[[nodiscard]] Result<CompressReport> compress_model(const std::string& source,
                                                    const std::string& target,
                                                    const CompressOptions& options,
                                                    const ProgressCallback& progress = {});

}  // namespace trine
