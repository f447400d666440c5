// Carries a recipe out: original checkpoint in, packed model out, one matrix at a time.
#pragma once

#include <filesystem>

#include "base/progress.h"
#include "base/result.h"
#include "checkpoint/checkpoint.h"
#include "compress/recipe.h"
#include "packed/manifest.h"

namespace trine::compress {

/// Quantizes and packs every compressible matrix of `source`, copies everything else, and writes
/// a packed model to `target`, which must not exist. Memory: the largest matrix a few times over,
/// whatever the size of the model. The bytes written do not depend on `threads`.
/// An infinity or NaN is kMalformed, with the tensor's name, unless the recipe allows them; then
/// the manifest counts them per tensor, and a weight_error takes them for the 0 that is packed.
/// @param progress counts weights of the whole model.
[[nodiscard]] Result<packed::Manifest> compress(const checkpoint::Checkpoint& source,
                                                const Recipe& recipe,
                                                const std::filesystem::path& target,
                                                int threads,
                                                const base::ProgressSink& progress);

}  // namespace trine::compress
