// What one model family must say about itself.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "core/model_spec.h"

namespace trine::models {

/// Turns a config.json into a ModelSpec: shapes, tensor names, layer rules.
/// kMalformed names the field, the value found and what was expected;
/// kUnsupported a well-formed setting this family does not have.
using ParseConfig = Result<ModelSpec>(const base::JsonFields& config);

struct Family {
  std::string_view model_type;    ///< config.json "model_type"
  std::string_view architecture;  ///< config.json "architectures"[0]
  ParseConfig* parse;
};

/// The one list of families (registry.cpp).
[[nodiscard]] std::span<const Family> families() noexcept;

/// Finds the family by model_type and parses. kUnsupported lists the known families.
[[nodiscard]] Result<ModelSpec> parse_model_config(const base::JsonFields& config);

}  // namespace trine::models
