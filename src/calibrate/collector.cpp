#include "calibrate/collector.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/linear.h"

namespace trine::calibrate {
namespace {

Status require_finite(const std::string& name, const SiteStatistics& moments) {
  const auto is_finite = [](double value) { return std::isfinite(value); };
  if (std::all_of(moments.second_moments.begin(), moments.second_moments.end(), is_finite) &&
      std::all_of(moments.moment_blocks.begin(), moments.moment_blocks.end(), is_finite)) {
    return {};
  }
  return fail(ErrorCode::kMalformed,
              "{}: its inputs became infinite or NaN, expected finite numbers; the model's "
              "weights are damaged",
              name);
}

}  // namespace

StatisticsCollector::StatisticsCollector(const ModelSpec& spec, MomentKind kind, int threads)
    : threads_(threads) {
  for (InputSite& site : input_sites(spec)) {
    sites_.push_back({std::move(site.name),
                      MomentSums(site.in_features, block_size_of(kind, site.in_features))});
  }
  for (std::size_t index = 0; index < sites_.size(); ++index) {
    index_of_.emplace(sites_[index].name, index);
  }
  for (std::size_t layer = 0; layer < spec.layers.size(); ++layer) {
    if (!spec.layers[layer].moe) continue;
    const std::size_t num_experts = spec.layers[layer].moe->experts.size();
    moe_layers_.push_back(layer);
    statistics_.routing[layer] = {.expert_counts = std::vector<std::uint64_t>(num_experts),
                                  .weight_sums = std::vector<double>(num_experts)};
  }
}

void StatisticsCollector::observe(std::span<const runtime::LinearCall> calls,
                                  const float* inputs, std::size_t num_tokens) {
  for (const runtime::LinearCall& call : calls) {
    const auto found = index_of_.find(call.linear->name());
    if (found != index_of_.end()) {
      sites_[found->second].sums.add(inputs, num_tokens, threads_);
    }
  }
}

void StatisticsCollector::add_routing(const runtime::RoutingTrace& trace,
                                      std::size_t num_tokens) {
  check(trace.size() == moe_layers_.size(),
        "StatisticsCollector: the trace is of another model");
  statistics_.tokens += num_tokens;
  for (std::size_t index = 0; index < trace.size(); ++index) {
    const runtime::Routing& routing = trace[index];
    RoutingStatistics& layer = statistics_.routing.at(moe_layers_[index]);
    layer.tokens += routing.experts.size() / routing.experts_per_token;
    for (std::size_t slot = 0; slot < routing.experts.size(); ++slot) {
      const auto expert = static_cast<std::size_t>(routing.experts[slot]);
      ++layer.expert_counts[expert];
      layer.weight_sums[expert] += double{routing.weights[slot]};
    }
  }
}

Result<ModelStatistics> StatisticsCollector::take() {
  ModelStatistics statistics = std::exchange(statistics_, {});
  // One site after the other, each giving up its sums, so that both forms are never all there.
  for (Site& site : sites_) {
    SiteStatistics moments = site.sums.take();
    TRINE_RETURN_IF_ERROR(require_finite(site.name, moments));
    statistics.sites.emplace(site.name, std::move(moments));
  }
  return statistics;
}

}  // namespace trine::calibrate
