#include "packed/manifest.h"

#include <algorithm>

#include "models/config_reading.h"

namespace trine::packed {
namespace {

constexpr const char* kAffine = "affine";

/// The fields of a compensator; version 1 has none of them.
Status parse_compensator(const base::JsonFields& fields, MatrixRecord& record) {
  const auto most = static_cast<std::int64_t>(
      std::min(record.layout.out_features, record.layout.in_features));
  TRINE_ASSIGN_OR_RETURN(const auto rank, fields.integer_or("rank", 0, most, 0));
  record.rank = static_cast<std::size_t>(rank);
  if (rank == 0) return {};
  TRINE_ASSIGN_OR_RETURN(const auto bits, fields.integer("factor_bits", 1, 16));
  if (bits != 3 && bits != 4 && bits != 8 && bits != 16) {
    return fail(ErrorCode::kUnsupported, "{}: factor_bits is {}, expected 3, 4, 8 or 16",
                fields.name(), bits);
  }
  record.factor_bits = static_cast<int>(bits);
  TRINE_ASSIGN_OR_RETURN(record.compensator, fields.string_or("compensator", ""));
  return {};
}

Result<MatrixRecord> parse_matrix(const base::JsonFields& fields) {
  TRINE_ASSIGN_OR_RETURN(const auto format, fields.string("format"));
  if (format != kAffine) {
    return fail(ErrorCode::kUnsupported, "{}: matrix format is \"{}\", expected \"{}\"",
                fields.name(), format, kAffine);
  }
  TRINE_ASSIGN_OR_RETURN(const auto out,
                         fields.integer("out_features", 1, models::kMaxVocabulary));
  TRINE_ASSIGN_OR_RETURN(const auto in,
                         fields.integer("in_features", 1, models::kMaxVocabulary));
  TRINE_ASSIGN_OR_RETURN(const auto bits, fields.integer("bits", 2, 8));
  TRINE_ASSIGN_OR_RETURN(const auto group_size, fields.integer("group_size", 32, 128));
  TRINE_ASSIGN_OR_RETURN(const auto metadata_bits, fields.integer("metadata_bits", 8, 16));
  MatrixRecord record{.layout = {static_cast<std::size_t>(out), static_cast<std::size_t>(in),
                                 static_cast<int>(bits), static_cast<std::size_t>(group_size),
                                 static_cast<int>(metadata_bits)}};
  if (!is_metadata_width(record.layout.metadata_bits)) {
    return fail(ErrorCode::kUnsupported, "{}: metadata_bits is {}, expected 8 or 16",
                fields.name(), metadata_bits);
  }
  if (!is_packable(record.layout.bits, record.layout.group_size)) {
    return fail(
        ErrorCode::kUnsupported,
        "{}: {} bits in groups of {}; expected 2, 3, 4, 5, 6 or 8 bits in groups of 32, "
        "64 or 128",
        fields.name(), bits, group_size);
  }
  TRINE_ASSIGN_OR_RETURN(record.quantizer, fields.string("quantizer"));
  TRINE_ASSIGN_OR_RETURN(record.weight_error, fields.number("weight_error", 0.0, 1e6));
  TRINE_RETURN_IF_ERROR(parse_compensator(fields, record));
  return record;
}

Result<Totals> parse_totals(const base::JsonFields& fields) {
  Totals totals;
  const auto read = [&](const char* field, std::uint64_t& target) -> Status {
    TRINE_ASSIGN_OR_RETURN(const auto value, fields.integer(field, 0, kMostBytes));
    target = static_cast<std::uint64_t>(value);
    return {};
  };
  TRINE_RETURN_IF_ERROR(read("compressed_matrix_bytes", totals.compressed_matrix_bytes));
  TRINE_RETURN_IF_ERROR(read("compressed_matrix_weights", totals.compressed_matrix_weights));
  TRINE_RETURN_IF_ERROR(read("stored_bytes", totals.stored_bytes));
  TRINE_RETURN_IF_ERROR(read("original_bytes", totals.original_bytes));
  TRINE_ASSIGN_OR_RETURN(totals.weight_error, fields.number("weight_error", 0.0, 1e6));
  return totals;
}

Result<RecipeRecord> parse_recipe(const base::JsonFields& fields) {
  RecipeRecord recipe;
  TRINE_ASSIGN_OR_RETURN(recipe.preset, fields.string("preset"));
  TRINE_ASSIGN_OR_RETURN(recipe.allocator, fields.string_or("allocator", ""));
  TRINE_ASSIGN_OR_RETURN(recipe.statistics_xxh3, fields.string_or("statistics_xxh3", ""));
  if (fields.has("bits_per_weight")) {
    TRINE_ASSIGN_OR_RETURN(recipe.bits_per_weight, fields.number("bits_per_weight", 0.0, 64.0));
  }
  if (fields.has("memory_bytes")) {
    TRINE_ASSIGN_OR_RETURN(const auto bytes, fields.integer("memory_bytes", 0, kMostBytes));
    recipe.memory_bytes = static_cast<std::uint64_t>(bytes);
  }
  return recipe;
}

/// What trine.json counts of tensors that it does not know is no count of this model.
Status parse_nonfinite(const base::JsonFields& fields, Manifest& manifest) {
  if (!fields.has("nonfinite")) return {};
  TRINE_ASSIGN_OR_RETURN(const auto counts, fields.object("nonfinite"));
  for (const auto& item : counts.json().items()) {
    const std::string& tensor = item.key();
    TRINE_ASSIGN_OR_RETURN(const auto count, counts.integer(tensor, 1, kMostBytes));
    if (!manifest.matrices.contains(tensor) && !manifest.checksums.contains(tensor)) {
      return fail(ErrorCode::kMalformed,
                  "{}: {} is neither a packed matrix nor a stored tensor", counts.name(),
                  tensor);
    }
    manifest.nonfinite[tensor] = static_cast<std::uint64_t>(count);
  }
  return {};
}

base::Json to_json(const MatrixRecord& record) {
  base::Json json = {{"format", kAffine},
                     {"out_features", record.layout.out_features},
                     {"in_features", record.layout.in_features},
                     {"bits", record.layout.bits},
                     {"group_size", record.layout.group_size},
                     {"metadata_bits", record.layout.metadata_bits},
                     {"quantizer", record.quantizer},
                     {"weight_error", record.weight_error},
                     {"rank", record.rank}};
  if (record.rank > 0) {
    json["factor_bits"] = record.factor_bits;
    json["compensator"] = record.compensator;
  }
  return json;
}

base::Json to_json(const RecipeRecord& recipe) {
  base::Json json = {{"preset", recipe.preset}, {"allocator", recipe.allocator}};
  if (recipe.bits_per_weight) json["bits_per_weight"] = *recipe.bits_per_weight;
  if (recipe.memory_bytes) json["memory_bytes"] = *recipe.memory_bytes;
  if (!recipe.statistics_xxh3.empty()) json["statistics_xxh3"] = recipe.statistics_xxh3;
  return json;
}

base::Json to_json(const Totals& totals) {
  return {{"bits_per_weight", totals.bits_per_weight()},
          {"stored_bytes", totals.stored_bytes},
          {"original_bytes", totals.original_bytes},
          {"weight_error", totals.weight_error},
          {"compressed_matrix_bytes", totals.compressed_matrix_bytes},
          {"compressed_matrix_weights", totals.compressed_matrix_weights}};
}

}  // namespace

std::string packed_name(std::string_view name) { return std::string(name) + ".packed"; }
std::string left_name(std::string_view name) { return std::string(name) + ".left"; }
std::string right_name(std::string_view name) { return std::string(name) + ".right"; }

std::uint64_t count_nonfinite_weights(const Manifest& manifest) {
  std::uint64_t total = 0;
  for (const auto& [name, count] : manifest.nonfinite) total += count;
  return total;
}

Status check_format_version(const base::JsonFields& fields) {
  TRINE_ASSIGN_OR_RETURN(const auto version, fields.integer("format_version", 1, INT32_MAX));
  if (version > kFormatVersion) {
    return fail(
        ErrorCode::kUnsupported,
        "{}: packed format version {} is newer than this Trine reads ({}); update Trine",
        fields.name(), version, kFormatVersion);
  }
  return {};
}

base::Json to_json(const Manifest& manifest) {
  base::Json json;
  json["format_version"] = kFormatVersion;
  json["trine_version"] = manifest.trine_version;
  json["recipe"] = to_json(manifest.recipe);
  json["source"] = {{"xxh3", manifest.source_xxh3}, {"tensors", manifest.source_tensors}};
  json["totals"] = to_json(manifest.totals);
  json["matrices"] = base::Json::object();
  for (const auto& [name, record] : manifest.matrices) json["matrices"][name] = to_json(record);
  json["checksums"] = base::Json::object();
  for (const auto& [name, checksum] : manifest.checksums) json["checksums"][name] = checksum;
  for (const auto& [name, count] : manifest.nonfinite) json["nonfinite"][name] = count;
  return json;
}

Result<Manifest> parse_manifest(const base::Json& json, std::string_view name) {
  const base::JsonFields fields(json, std::string(name));
  TRINE_RETURN_IF_ERROR(check_format_version(fields));
  Manifest manifest;
  TRINE_ASSIGN_OR_RETURN(manifest.trine_version, fields.string("trine_version"));
  TRINE_ASSIGN_OR_RETURN(const auto recipe, fields.object("recipe"));
  TRINE_ASSIGN_OR_RETURN(manifest.recipe, parse_recipe(recipe));
  TRINE_ASSIGN_OR_RETURN(const auto source, fields.object("source"));
  TRINE_ASSIGN_OR_RETURN(manifest.source_xxh3, source.string("xxh3"));
  TRINE_ASSIGN_OR_RETURN(const auto tensors, source.integer("tensors", 0, kMostBytes));
  manifest.source_tensors = static_cast<std::uint64_t>(tensors);
  TRINE_ASSIGN_OR_RETURN(const auto totals, fields.object("totals"));
  TRINE_ASSIGN_OR_RETURN(manifest.totals, parse_totals(totals));
  TRINE_ASSIGN_OR_RETURN(const auto matrices, fields.object("matrices"));
  for (const auto& item : matrices.json().items()) {
    TRINE_ASSIGN_OR_RETURN(const auto matrix, matrices.object(item.key()));
    TRINE_ASSIGN_OR_RETURN(manifest.matrices[item.key()], parse_matrix(matrix));
  }
  TRINE_ASSIGN_OR_RETURN(const auto checksums, fields.object("checksums"));
  for (const auto& item : checksums.json().items()) {
    TRINE_ASSIGN_OR_RETURN(manifest.checksums[item.key()], checksums.string(item.key()));
  }
  TRINE_RETURN_IF_ERROR(parse_nonfinite(fields, manifest));
  return manifest;
}

}  // namespace trine::packed
