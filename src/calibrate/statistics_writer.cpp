#include <map>
#include <span>

#include "base/hash.h"
#include "calibrate/statistics_file.h"

namespace trine::calibrate {
namespace {

template <class T>
Status append_values(base::SafetensorsWriter& writer, std::span<const T> values) {
  return writer.append(
      {reinterpret_cast<const std::uint8_t*>(values.data()), values.size_bytes()});
}

Status append_count(base::SafetensorsWriter& writer, std::uint64_t count) {
  return append_values<std::uint64_t>(writer, std::span(&count, 1));
}

Status append_routing(base::SafetensorsWriter& writer, const RoutingStatistics& routing) {
  TRINE_RETURN_IF_ERROR(append_count(writer, routing.tokens));
  TRINE_RETURN_IF_ERROR(append_values<std::uint64_t>(writer, routing.expert_counts));
  return append_values<double>(writer, routing.weight_sums);
}

}  // namespace

ModelIdentity identity_of(const ModelSpec& spec, const base::Json& config) {
  base::Json described = config;
  described.erase("quantization_config");
  const std::string text = described.dump();
  return {spec.family, base::to_hex(base::xxh3(
                           {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}))};
}

std::vector<base::TensorPlan> statistics_plan(const ModelSpec& spec, MomentKind kind) {
  std::vector<base::TensorPlan> plan;
  const std::vector<InputSite> sites = input_sites(spec);
  for (const InputSite& site : sites) {
    plan.push_back({site.name + ".tokens", DType::kI64, {}});
    plan.push_back({site.name + ".second_moments", DType::kF64, {site.in_features}});
  }
  for (std::size_t layer = 0; layer < spec.layers.size(); ++layer) {
    if (!spec.layers[layer].moe) continue;
    const std::size_t num_experts = spec.layers[layer].moe->experts.size();
    const std::string prefix = fmt::format("routing.{}", layer);
    plan.push_back({prefix + ".tokens", DType::kI64, {}});
    plan.push_back({prefix + ".expert_counts", DType::kI64, {num_experts}});
    plan.push_back({prefix + ".weight_sums", DType::kF64, {num_experts}});
  }
  if (kind == MomentKind::kDiagonal) return plan;
  // Last, so that all numbers of 8 bytes lie at multiples of 8.
  for (const InputSite& site : sites) {
    const std::size_t block_size = block_size_of(kind, site.in_features);
    plan.push_back({site.name + ".moment_blocks",
                    DType::kF32,
                    {moment_block_values(site.in_features, block_size)}});
  }
  return plan;
}

Status write_statistics(const std::filesystem::path& path, const ModelStatistics& statistics,
                        const ModelSpec& spec, const ModelIdentity& identity, MomentKind kind) {
  const std::map<std::string, std::string> metadata = {
      {std::string(kVersionKey), std::to_string(kStatisticsVersion)},
      {std::string(kFamilyKey), identity.family},
      {std::string(kConfigHashKey), identity.config_xxh3},
      {std::string(kTokensKey), std::to_string(statistics.tokens)},
      {std::string(kMomentsKey), std::string(name_of(kind))}};
  TRINE_ASSIGN_OR_RETURN(auto writer, base::SafetensorsWriter::create(
                                          path, statistics_plan(spec, kind), metadata));
  const std::vector<InputSite> sites = input_sites(spec);
  for (const InputSite& site : sites) {
    const SiteStatistics& moments = statistics.sites.at(site.name);
    TRINE_RETURN_IF_ERROR(append_count(writer, moments.tokens));
    TRINE_RETURN_IF_ERROR(append_values<double>(writer, moments.second_moments));
  }
  for (const auto& [layer, routing] : statistics.routing) {
    TRINE_RETURN_IF_ERROR(append_routing(writer, routing));
  }
  if (kind != MomentKind::kDiagonal) {
    for (const InputSite& site : sites) {
      TRINE_RETURN_IF_ERROR(
          append_values<float>(writer, statistics.sites.at(site.name).moment_blocks));
    }
  }
  return writer.finish();
}

}  // namespace trine::calibrate
