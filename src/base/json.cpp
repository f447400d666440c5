#include "base/json.h"

#include <cmath>
#include <set>
#include <vector>

#include "base/files.h"

namespace trine::base {
namespace {

/// The shortest useful picture of a value for an error sentence.
std::string excerpt(const Json& value) {
  constexpr std::size_t kLongest = 60;
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "…";
  return text;
}

}  // namespace

Result<Json> parse_json(std::string_view text, std::string_view name) {
  if (text.size() > kMaxJsonBytes) {
    return fail(ErrorCode::kMalformed, "{}: {} bytes of JSON, at most {} are read", name,
                text.size(), kMaxJsonBytes);
  }
  // nlohmann keeps the last of two equal keys silently; the callback sees both.
  std::vector<std::set<std::string>> open_objects;
  std::string problem;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) open_objects.emplace_back();
    if (event == Json::parse_event_t::object_end) open_objects.pop_back();
    if (event == Json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!open_objects.back().insert(key).second && problem.empty()) {
        problem = fmt::format("duplicate key \"{}\"", key);
      }
    }
    const bool opens =
        event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    if (opens && depth >= kMaxJsonDepth && problem.empty()) {  // depth counts those around it
      problem = fmt::format("nested deeper than {} levels", kMaxJsonDepth);
    }
    return problem.empty();
  };
  try {
    Json value = Json::parse(text, watch);
    if (!problem.empty()) return fail(ErrorCode::kMalformed, "{}: {}", name, problem);
    return value;
  } catch (const Json::exception& error) {
    if (!problem.empty()) return fail(ErrorCode::kMalformed, "{}: {}", name, problem);
    return fail(ErrorCode::kMalformed, "{}: not valid JSON: {}", name, error.what());
  }
}

Result<Json> read_json_file(const std::filesystem::path& path) {
  TRINE_ASSIGN_OR_RETURN(const std::string text, read_text_file(path, kMaxJsonBytes));
  return parse_json(text, path.string());
}

const Json* JsonFields::find(std::string_view field) const {
  if (!object_->is_object()) return nullptr;
  const auto found = object_->find(std::string(field));
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

tl::unexpected<Error> JsonFields::wrong(std::string_view field, const Json* found,
                                        std::string_view expected) const {
  if (found == nullptr) {
    return fail(ErrorCode::kMalformed, "{}: field \"{}\" is missing, expected {}", name_, field,
                expected);
  }
  return fail(ErrorCode::kMalformed, "{}: field \"{}\" is {}, expected {}", name_, field,
              excerpt(*found), expected);
}

bool JsonFields::has(std::string_view field) const { return find(field) != nullptr; }

Result<std::int64_t> JsonFields::integer(std::string_view field, std::int64_t low,
                                         std::int64_t high) const {
  const Json* found = find(field);
  const bool fits = found != nullptr && found->is_number_integer() &&
                    !(found->is_number_unsigned() &&
                      found->get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX));
  if (fits) {
    const auto value = found->get<std::int64_t>();
    if (value >= low && value <= high) return value;
  }
  return wrong(field, found, fmt::format("a whole number from {} to {}", low, high));
}

Result<std::int64_t> JsonFields::integer_or(std::string_view field, std::int64_t low,
                                            std::int64_t high, std::int64_t absent) const {
  if (!has(field)) return absent;
  return integer(field, low, high);
}

Result<double> JsonFields::number(std::string_view field, double low, double high) const {
  const Json* found = find(field);
  if (found != nullptr && found->is_number()) {
    const auto value = found->get<double>();
    if (std::isfinite(value) && value >= low && value <= high) return value;
  }
  return wrong(field, found, fmt::format("a number from {} to {}", low, high));
}

Result<double> JsonFields::number_or(std::string_view field, double low, double high,
                                     double absent) const {
  if (!has(field)) return absent;
  return number(field, low, high);
}

Result<bool> JsonFields::boolean_or(std::string_view field, bool absent) const {
  const Json* found = find(field);
  if (found == nullptr) return absent;
  if (!found->is_boolean()) return wrong(field, found, "true or false");
  return found->get<bool>();
}

Result<std::string> JsonFields::string(std::string_view field) const {
  const Json* found = find(field);
  if (found == nullptr || !found->is_string()) return wrong(field, found, "a string");
  return found->get<std::string>();
}

Result<std::string> JsonFields::string_or(std::string_view field, std::string absent) const {
  if (!has(field)) return absent;
  return string(field);
}

Result<JsonFields> JsonFields::object(std::string_view field) const {
  const Json* found = find(field);
  if (found == nullptr || !found->is_object()) return wrong(field, found, "an object");
  return JsonFields(*found, fmt::format("{}.{}", name_, field));
}

}  // namespace trine::base
