// Carries a plan out: original checkpoint in, packed model out, a few matrices at a time.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "checkpoint/checkpoint.h"
#include "compress/quantizers/quantizer.h"
#include "packed/manifest.h"
#include "plan/plan.h"

namespace trine::compress {

/// Receives the error after each iteration of a matrix's compensator (empty without one).
using TraceSink =
    std::function<void(const std::string& name, const std::vector<double>& trace)>;

struct CompressorOptions {
  int threads = 1;  ///< the bytes written do not depend on it
  /// What is known of the inputs of each matrix, by its name; null: nothing.
  const std::map<std::string, InputMoments>* moments = nullptr;
  TraceSink trace{};
  std::function<void(const std::string& name)> taken_over{};  ///< see resume
  bool resume = false;  ///< take over what an interrupted run to the same target had finished
  bool allow_nonfinite = false;  ///< infinities and NaNs are packed as 0 and counted
};

/// Quantizes and packs every compressible matrix of `source` as `plan` says, copies everything
/// else, and writes a packed model to `target`, which must not exist. A run that is killed, or
/// fails because the disk is full (with `resume`: or for any other reason), leaves
/// `<target>.partial`; with `resume` its matrices are taken over where source, plan, statistics and
/// version are the same, and the result has the bytes of a run without interruption. Memory: the
/// largest matrix a few times over, whatever the size of the model.
/// kInvalidArgument or kUnsupported names the matrix and field of an impossible entry.
/// An infinity or NaN is kMalformed, with the tensor's name, unless the options allow them; then
/// the manifest counts them per tensor, and a weight_error takes them for the 0 that is packed.
/// @param progress counts weights of the whole model.
[[nodiscard]] Result<packed::Manifest> compress(const checkpoint::Checkpoint& source,
                                                const plan::Plan& plan,
                                                const std::filesystem::path& target,
                                                const CompressorOptions& options,
                                                const base::ProgressSink& progress);

}  // namespace trine::compress
