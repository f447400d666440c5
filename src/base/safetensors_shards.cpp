#include "base/safetensors_shards.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"

namespace trine::base {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSingleName = "model.safetensors";
constexpr const char* kIndexName = "model.safetensors.index.json";

/// What an index says: which tensor lies in which file.
struct WeightIndex {
  std::string path{};
  std::map<std::string, std::string> file_of{};  ///< tensor name → file name
  std::optional<double> total_bytes{};           ///< a whole number
};

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

Result<WeightIndex> read_index(const fs::path& path) {
  TRINE_ASSIGN_OR_RETURN(const Json json, read_json_file(path));
  const JsonFields fields(json, path.string());
  WeightIndex index{.path = path.string()};
  TRINE_RETURN_IF_ERROR(read_weight_map(fields, index));
  TRINE_RETURN_IF_ERROR(read_total_size(fields, index));
  return index;
}

/// Every tensor of `file` is one the index puts there.
Status check_is_mapped(const SafetensorsFile& file, const std::string& file_name,
                       const WeightIndex& index) {
  for (const TensorEntry& entry : file.tensors()) {
    const auto mapped = index.file_of.find(entry.name);
    if (mapped == index.file_of.end()) {
      return fail(ErrorCode::kMalformed, "{}: tensor \"{}\" of {} is not in weight_map",
                  index.path, entry.name, file_name);
    }
    if (mapped->second != file_name) {
      return fail(ErrorCode::kMalformed, "{}: tensor \"{}\" is mapped to {} but lies in {}",
                  index.path, entry.name, mapped->second, file_name);
    }
  }
  return {};
}

/// Every tensor the index puts into `file` is there.
Status check_is_stored(const SafetensorsFile& file, const std::string& file_name,
                       const WeightIndex& index) {
  for (const auto& [tensor, mapped_name] : index.file_of) {
    if (mapped_name != file_name || file.find(tensor) != nullptr) continue;
    return fail(ErrorCode::kMalformed,
                "{}: tensor \"{}\" is mapped to {}, which does not hold it", index.path, tensor,
                file_name);
  }
  return {};
}

Status check_total(const std::vector<SafetensorsFile>& files, const WeightIndex& index) {
  if (!index.total_bytes) return {};
  std::size_t total = 0;
  for (const auto& file : files) total += file.data().size();
  if (static_cast<double>(total) == *index.total_bytes) return {};
  return fail(ErrorCode::kMalformed,
              "{}: metadata.total_size is {:.0f}, but the tensors take {} bytes", index.path,
              *index.total_bytes, total);
}

Result<std::vector<SafetensorsFile>> open_indexed(const fs::path& directory) {
  TRINE_ASSIGN_OR_RETURN(const WeightIndex index, read_index(directory / kIndexName));
  std::set<std::string> file_names;
  for (const auto& [tensor, file_name] : index.file_of) file_names.insert(file_name);
  std::vector<SafetensorsFile> files;
  for (const std::string& file_name : file_names) {
    TRINE_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::open(directory / file_name));
    TRINE_RETURN_IF_ERROR(check_is_mapped(file, file_name, index));
    TRINE_RETURN_IF_ERROR(check_is_stored(file, file_name, index));
    files.push_back(std::move(file));
  }
  TRINE_RETURN_IF_ERROR(check_total(files, index));
  return files;
}

}  // namespace

Result<std::vector<SafetensorsFile>> open_safetensors_shards(const fs::path& directory) {
  std::error_code ignored;  // a path that cannot be looked at counts as absent
  const bool has_single = fs::exists(directory / kSingleName, ignored);
  const bool has_index = fs::exists(directory / kIndexName, ignored);
  if (has_single && has_index) {
    return fail(ErrorCode::kMalformed,
                "{}: both {} and {} are there; remove the one that is not the model",
                directory.string(), kSingleName, kIndexName);
  }
  if (has_index) return open_indexed(directory);
  if (!has_single) {
    return fail(ErrorCode::kNotFound, "{}: there is neither {} nor {}", directory.string(),
                kSingleName, kIndexName);
  }
  std::vector<SafetensorsFile> files;
  TRINE_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::open(directory / kSingleName));
  files.push_back(std::move(file));
  return files;
}

}  // namespace trine::base
