#include "models/config_reading.h"

namespace trine::models {
namespace {

constexpr double kLargestTheta = 1e12;

/// kUnsupported unless the rope settings in `field` name the plain kind. Older configs write
/// "type" for "rope_type".
Status require_plain_rope(const base::JsonFields& config, std::string_view field) {
  if (!config.has(field)) return {};
  TRINE_ASSIGN_OR_RETURN(const auto rope, config.object(field));
  TRINE_ASSIGN_OR_RETURN(const auto old_name, rope.string_or("type", "default"));
  TRINE_ASSIGN_OR_RETURN(const auto kind, rope.string_or("rope_type", old_name));
  if (kind == "default") return {};
  return fail(ErrorCode::kUnsupported,
              "{}: rope scaling \"{}\" is not supported for this family, expected \"default\"",
              rope.name(), kind);
}

}  // namespace

Result<double> read_rope_theta(const base::JsonFields& config, double absent) {
  TRINE_RETURN_IF_ERROR(require_plain_rope(config, "rope_scaling"));
  TRINE_RETURN_IF_ERROR(require_plain_rope(config, "rope_parameters"));
  TRINE_ASSIGN_OR_RETURN(const double old_theta,
                         config.number_or("rope_theta", 1.0, kLargestTheta, absent));
  if (!config.has("rope_parameters")) return old_theta;
  TRINE_ASSIGN_OR_RETURN(const auto rope, config.object("rope_parameters"));
  TRINE_ASSIGN_OR_RETURN(const double theta,
                         rope.number_or("rope_theta", 1.0, kLargestTheta, old_theta));
  if (config.has("rope_theta") && theta != old_theta) {
    return fail(ErrorCode::kMalformed,
                "{}: rope_theta is {} but rope_parameters.rope_theta is {}; expected one value",
                config.name(), old_theta, theta);
  }
  return theta;
}

Status require_silu(const base::JsonFields& config) {
  TRINE_ASSIGN_OR_RETURN(const auto activation, config.string_or("hidden_act", "silu"));
  if (activation == "silu") return {};
  return fail(ErrorCode::kUnsupported, "{}: hidden_act is \"{}\", expected \"silu\"",
              config.name(), activation);
}

}  // namespace trine::models
