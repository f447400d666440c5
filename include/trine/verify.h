// Is this model intact?
#pragma once

#include <cstdint>
#include <string>
#include <trine/progress.h>
#include <trine/result.h>

namespace trine {

struct VerifyReport {
  bool is_packed = false;
  std::uint64_t num_tensors = 0;
  std::uint64_t checked_bytes = 0;
  std::uint64_t nonfinite_weights = 0;  ///< that the packed model was allowed to be made with
};

/// Structure and finite values of an original or packed model; of a packed one also every
/// checksum. The Error names the first tensor that is wrong. Values that are not finite are wrong
/// unless trine.json counts them: compress_model() was told to allow them.
[[nodiscard]] Result<VerifyReport> verify_model(const std::string& path,
                                                const ProgressCallback& progress = {});

}  // namespace trine
