// How the original checkpoint was quantized by its makers, if it was.
#pragma once

#include <string>

#include "base/json.h"
#include "base/result.h"

namespace trine::models {

/// `quantization_config.quant_method` of the original: "fp8", "mxfp4", …, or "" for none. A packed
/// model keeps the original's settings under `quantization_config.source`.
[[nodiscard]] Result<std::string> source_quant_method(const base::JsonFields& config);

}  // namespace trine::models
