#include "base/safetensors_index.h"

#include <string_view>
#include <utility>

namespace trine::base {
namespace {

/// A name inside the directory itself, so that no index leads out of it.
bool is_plain_weight_name(std::string_view name) {
  return name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos &&
         name.find("..") == std::string_view::npos && name.ends_with(".safetensors");
}

Status read_weight_map(const JsonFields& fields, WeightIndex& index) {
  TRINE_ASSIGN_OR_RETURN(const auto map, fields.object("weight_map"));
  for (const auto& [tensor, file] : map.json().items()) {
    if (!file.is_string() || !is_plain_weight_name(file.get_ref<const std::string&>())) {
      return fail(ErrorCode::kMalformed,
                  "{}: tensor \"{}\" is mapped to {}, expected a plain file name ending in "
                  "\".safetensors\"",
                  map.name(), tensor, file.dump(-1, ' ', true, Json::error_handler_t::replace));
    }
    index.file_of.emplace(tensor, file.get<std::string>());
  }
  if (index.file_of.empty()) {
    return fail(ErrorCode::kMalformed, "{}: names no tensor", map.name());
  }
  return {};
}

/// Some exporters write total_size as a number with a fraction of zero.
Status read_total_size(const JsonFields& fields, WeightIndex& index) {
  constexpr double kLargestExact = 0x1p53;
  if (!fields.has("metadata")) return {};
  TRINE_ASSIGN_OR_RETURN(const auto metadata, fields.object("metadata"));
  if (!metadata.has("total_size")) return {};
  TRINE_ASSIGN_OR_RETURN(index.total_bytes, metadata.number("total_size", 0.0, kLargestExact));
  return {};
}

}  // namespace

Result<WeightIndex> parse_weight_index(const Json& json, std::string path) {
  const JsonFields fields(json, path);
  WeightIndex index{.path = std::move(path)};
  TRINE_RETURN_IF_ERROR(read_weight_map(fields, index));
  TRINE_RETURN_IF_ERROR(read_total_size(fields, index));
  return index;
}

}  // namespace trine::base
