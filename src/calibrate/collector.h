// Watches a running model and gathers its statistics.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "calibrate/moments.h"
#include "core/model_spec.h"
#include "core/statistics.h"
#include "runtime/engine.h"
#include "runtime/input_observer.h"

namespace trine::calibrate {

/// Set as an engine's observer, it sums the inputs of every site of the model. A site is seen
/// when its first matrix is applied, so its inputs count once however the engine divides calls.
class StatisticsCollector final : public runtime::InputObserver {
 public:
  StatisticsCollector(const ModelSpec& spec, MomentKind kind, int threads);

  void observe(std::span<const runtime::LinearCall> calls, const float* inputs,
               std::size_t num_tokens) override;

  /// Counts `num_tokens` tokens of text and what one forward call's routers chose for them.
  void add_routing(const runtime::RoutingTrace& trace, std::size_t num_tokens);

  /// The statistics; the collector is empty afterwards. kMalformed, naming the site, when its
  /// inputs were not all finite: then the model is damaged.
  [[nodiscard]] Result<ModelStatistics> take();

 private:
  struct Site {
    std::string name;
    MomentSums sums;
  };

  int threads_;
  std::vector<Site> sites_{};
  std::unordered_map<std::string, std::size_t> index_of_{};  ///< by name, of sites_
  std::vector<std::size_t> moe_layers_{};  ///< in the order of a routing trace
  ModelStatistics statistics_{};           ///< tokens and routing, until take()
};

}  // namespace trine::calibrate
