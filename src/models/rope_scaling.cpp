#include "models/rope_scaling.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "models/config_reading.h"

namespace trine::models {
namespace {

constexpr double kLargestTheta = 1e12;
constexpr double kLargestFactor = 1e6;

/// The settings of one model's scaling, from whichever spelling it uses.
struct Scaling {
  std::optional<base::JsonFields> fields{};  ///< none: the plain kind
  std::string kind = "default";
  double theta = 0.0;
  std::size_t rotary_dim = 0;
  std::size_t max_positions = 0;
  std::optional<std::size_t>
      top_level_original{};  ///< beside rope_scaling, not inside: it wins

  [[nodiscard]] Result<std::size_t> original_positions() const {
    if (top_level_original) return *top_level_original;
    return read_size_or(*fields, "original_max_position_embeddings", kMaxPositions,
                        max_positions);
  }
  /// `factor`, or how far the context was stretched.
  [[nodiscard]] Result<double> factor(std::size_t original) const {
    const double stretched = static_cast<double>(max_positions) / static_cast<double>(original);
    return fields->number_or("factor", 1.0, kLargestFactor, std::max(1.0, stretched));
  }
};

std::vector<double> plain_frequencies(std::size_t rotary_dim, double theta) {
  std::vector<double> frequencies(rotary_dim / 2);
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double exponent = 2.0 * static_cast<double>(i) / static_cast<double>(rotary_dim);
    frequencies[i] = std::pow(theta, -exponent);
  }
  return frequencies;
}

std::vector<float> to_floats(const std::vector<double>& values) {
  return {values.begin(), values.end()};
}

/// YaRN's attention factor for a stretch of `factor`.
double mscale(double factor, double weight) {
  return factor <= 1.0 ? 1.0 : 0.1 * weight * std::log(factor) + 1.0;
}

Status add_linear(const Scaling& scaling, RopeSpec& rope) {
  TRINE_ASSIGN_OR_RETURN(const double factor,
                         scaling.fields->number("factor", 1.0, kLargestFactor));
  auto frequencies = plain_frequencies(scaling.rotary_dim, scaling.theta);
  for (double& frequency : frequencies) frequency /= factor;
  rope.frequencies = to_floats(frequencies);
  return {};
}

/// Beyond the original length the base grows with the sequence (NTK-aware scaling).
Status add_dynamic(const Scaling& scaling, RopeSpec& rope) {
  TRINE_ASSIGN_OR_RETURN(rope.dynamic_factor,
                         scaling.fields->number("factor", 1.0, kLargestFactor));
  rope.original_positions = scaling.max_positions;  // this kind looks nowhere else
  rope.dynamic_theta = scaling.theta;
  return {};
}

/// Source: Peng et al. 2023, arXiv:2309.00071, with the released implementations' ramp.
Status add_yarn(const Scaling& scaling, RopeSpec& rope) {
  const base::JsonFields& fields = *scaling.fields;
  TRINE_ASSIGN_OR_RETURN(const std::size_t original, scaling.original_positions());
  TRINE_ASSIGN_OR_RETURN(const double factor, scaling.factor(original));
  if (scaling.theta <= 1.0) {
    return fail(ErrorCode::kMalformed, "{}: rope_theta is {}, YaRN needs one above 1",
                fields.name(), scaling.theta);
  }
  TRINE_ASSIGN_OR_RETURN(const double beta_fast,
                         fields.number_or("beta_fast", 1e-3, 1e6, 32.0));
  TRINE_ASSIGN_OR_RETURN(const double beta_slow, fields.number_or("beta_slow", 1e-3, 1e6, 1.0));
  TRINE_ASSIGN_OR_RETURN(const bool truncates, fields.boolean_or("truncate", true));
  const auto dim = static_cast<double>(scaling.rotary_dim);
  const auto dimension_turning = [&](double turns) {  // pair that turns so often in `original`
    return dim * std::log(static_cast<double>(original) / (turns * 2.0 * std::numbers::pi)) /
           (2.0 * std::log(scaling.theta));
  };
  double low = dimension_turning(beta_fast);
  double high = dimension_turning(beta_slow);
  if (truncates) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1.0);
  if (low == high) high += 0.001;
  auto frequencies = plain_frequencies(scaling.rotary_dim, scaling.theta);
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] = frequencies[i] / factor * ramp + frequencies[i] * (1.0 - ramp);
  }
  rope.frequencies = to_floats(frequencies);
  double attention_factor = mscale(factor, 1.0);
  if (fields.has("mscale") && fields.has("mscale_all_dim")) {
    TRINE_ASSIGN_OR_RETURN(const double weight, fields.number("mscale", 0.0, 100.0));
    TRINE_ASSIGN_OR_RETURN(const double all, fields.number("mscale_all_dim", 0.0, 100.0));
    if (weight != 0.0 && all != 0.0)
      attention_factor = mscale(factor, weight) / mscale(factor, all);
  }
  TRINE_ASSIGN_OR_RETURN(attention_factor,
                         fields.number_or("attention_factor", 0.0, 100.0, attention_factor));
  rope.attention_factor = static_cast<float>(attention_factor);
  return {};
}

Result<std::vector<float>> divided_frequencies(const Scaling& scaling, const char* field) {
  const base::Json& json = scaling.fields->json();
  const std::size_t expected = scaling.rotary_dim / 2;
  if (!json.contains(field) || !json[field].is_array() || json[field].size() != expected) {
    return fail(ErrorCode::kMalformed, "{}: {} must be a list of {} numbers",
                scaling.fields->name(), field, expected);
  }
  auto frequencies = plain_frequencies(scaling.rotary_dim, scaling.theta);
  for (std::size_t i = 0; i < expected; ++i) {
    const base::Json& divisor = json[field][i];
    if (!divisor.is_number() || !(divisor.get<double>() > 0.0)) {
      return fail(ErrorCode::kMalformed, "{}: {}[{}] is {}, expected a number above 0",
                  scaling.fields->name(), field, i, divisor.dump().substr(0, 40));
    }
    frequencies[i] /= divisor.get<double>();
  }
  return to_floats(frequencies);
}

/// Source: Ding et al. 2024, arXiv:2402.13753: one divisor per pair, two sets of them.
Status add_longrope(const Scaling& scaling, RopeSpec& rope) {
  const base::JsonFields& fields = *scaling.fields;
  TRINE_ASSIGN_OR_RETURN(rope.original_positions, scaling.original_positions());
  if (rope.original_positions < 2) {
    return fail(ErrorCode::kMalformed,
                "{}: original_max_position_embeddings is {}, LongRoPE needs at least 2",
                fields.name(), rope.original_positions);
  }
  TRINE_ASSIGN_OR_RETURN(rope.frequencies, divided_frequencies(scaling, "short_factor"));
  TRINE_ASSIGN_OR_RETURN(rope.long_frequencies, divided_frequencies(scaling, "long_factor"));
  TRINE_ASSIGN_OR_RETURN(const double factor, scaling.factor(rope.original_positions));
  const double usual =
      factor <= 1.0
          ? 1.0
          : std::sqrt(1.0 + std::log(factor) /
                                std::log(static_cast<double>(rope.original_positions)));
  TRINE_ASSIGN_OR_RETURN(const double both,
                         fields.number_or("attention_factor", 0.0, 100.0, usual));
  TRINE_ASSIGN_OR_RETURN(const double shorter,
                         fields.number_or("short_mscale", 0.0, 100.0, both));
  TRINE_ASSIGN_OR_RETURN(const double longer,
                         fields.number_or("long_mscale", 0.0, 100.0, both));
  rope.attention_factor = static_cast<float>(shorter);
  rope.long_attention_factor = static_cast<float>(longer);
  return {};
}

/// Llama 3.1: slow pairs are divided by the factor, fast ones kept, a ramp between.
Status add_llama3(const Scaling& scaling, RopeSpec& rope) {
  const base::JsonFields& fields = *scaling.fields;
  TRINE_ASSIGN_OR_RETURN(const std::size_t original, scaling.original_positions());
  TRINE_ASSIGN_OR_RETURN(const double factor, fields.number("factor", 1.0, kLargestFactor));
  TRINE_ASSIGN_OR_RETURN(const double low, fields.number("low_freq_factor", 1e-3, 1e6));
  TRINE_ASSIGN_OR_RETURN(const double high, fields.number("high_freq_factor", 1e-3, 1e6));
  if (high <= low) {
    return fail(ErrorCode::kMalformed,
                "{}: high_freq_factor {} is not above low_freq_factor {}", fields.name(), high,
                low);
  }
  auto frequencies = plain_frequencies(scaling.rotary_dim, scaling.theta);
  for (double& frequency : frequencies) {
    const double turns = static_cast<double>(original) * frequency / (2.0 * std::numbers::pi);
    const double kept = std::clamp((turns - low) / (high - low), 0.0, 1.0);
    frequency = (1.0 - kept) * frequency / factor + kept * frequency;
  }
  rope.frequencies = to_floats(frequencies);
  return {};
}

struct Kind {
  std::string_view name;
  Status (*add)(const Scaling&, RopeSpec&);
};

constexpr std::array kKinds = {
    Kind{"default", nullptr},   Kind{"linear", add_linear},     Kind{"dynamic", add_dynamic},
    Kind{"yarn", add_yarn},     Kind{"longrope", add_longrope}, Kind{"su", add_longrope},
    Kind{"llama3", add_llama3},
};

Result<Scaling> read_scaling(const base::JsonFields& config, double default_theta) {
  Scaling scaling;
  TRINE_ASSIGN_OR_RETURN(scaling.theta,
                         config.number_or("rope_theta", 1.0, kLargestTheta, default_theta));
  for (const char* field : {"rope_scaling", "rope_parameters"}) {  // the newer spelling wins
    if (!config.has(field)) continue;
    TRINE_ASSIGN_OR_RETURN(const auto fields, config.object(field));
    TRINE_ASSIGN_OR_RETURN(const auto old_name, fields.string_or("type", "default"));
    TRINE_ASSIGN_OR_RETURN(const auto kind, fields.string_or("rope_type", old_name));
    if (scaling.fields && kind != scaling.kind) {
      return fail(ErrorCode::kMalformed, "{}: rope_scaling is \"{}\" but {} is \"{}\"",
                  config.name(), scaling.kind, field, kind);
    }
    scaling.kind = kind;
    TRINE_ASSIGN_OR_RETURN(const double theta,
                           fields.number_or("rope_theta", 1.0, kLargestTheta, scaling.theta));
    if (config.has("rope_theta") && theta != scaling.theta) {
      return fail(ErrorCode::kMalformed,
                  "{}: rope_theta is {} but {}.rope_theta is {}; expected one value",
                  config.name(), scaling.theta, field, theta);
    }
    scaling.theta = theta;
    scaling.fields = fields;
  }
  return scaling;
}

}  // namespace

Result<RopeSpec> read_rope(const base::JsonFields& config, std::size_t rotary_dim,
                           double default_theta, std::size_t max_positions) {
  TRINE_ASSIGN_OR_RETURN(Scaling scaling, read_scaling(config, default_theta));
  scaling.rotary_dim = rotary_dim;
  scaling.max_positions = max_positions;
  if (config.has("original_max_position_embeddings")) {
    TRINE_ASSIGN_OR_RETURN(
        scaling.top_level_original,
        read_size(config, "original_max_position_embeddings", kMaxPositions));
  }
  RopeSpec rope{.rotary_dim = rotary_dim};
  rope.frequencies = to_floats(plain_frequencies(rotary_dim, scaling.theta));
  std::string known;
  for (const Kind& kind : kKinds) {
    if (kind.name == scaling.kind) {
      if (kind.add != nullptr) TRINE_RETURN_IF_ERROR(kind.add(scaling, rope));
      return rope;
    }
    known += (known.empty() ? "" : ", ") + std::string(kind.name);
  }
  return fail(ErrorCode::kUnsupported, "{}: rope scaling \"{}\" is not known; known: {}",
              scaling.fields->name(), scaling.kind, known);
}

Result<double> read_latent_scale(const base::JsonFields& config) {
  TRINE_ASSIGN_OR_RETURN(const Scaling scaling, read_scaling(config, 1e4));
  if (!scaling.fields || scaling.kind == "default") return 1.0;
  TRINE_ASSIGN_OR_RETURN(const double weight,
                         scaling.fields->number_or("mscale_all_dim", 0.0, 100.0, 0.0));
  TRINE_ASSIGN_OR_RETURN(const double factor,
                         scaling.fields->number_or("factor", 1.0, kLargestFactor, 1.0));
  const double m = weight == 0.0 ? 1.0 : mscale(factor, weight);
  return m * m;
}

}  // namespace trine::models
