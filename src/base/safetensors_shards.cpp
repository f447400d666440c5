#include "base/safetensors_shards.h"

#include <set>
#include <string>
#include <utility>

#include "base/json.h"
#include "base/safetensors_index.h"

namespace trine::base {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSingleName = "model.safetensors";
constexpr const char* kIndexName = "model.safetensors.index.json";

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
  const fs::path path = directory / kIndexName;
  TRINE_ASSIGN_OR_RETURN(const Json json, read_json_file(path));
  TRINE_ASSIGN_OR_RETURN(const WeightIndex index, parse_weight_index(json, path.string()));
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
