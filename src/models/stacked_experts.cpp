#include "models/stacked_experts.h"

#include "models/layer_building.h"

namespace trine::models {

void adopt_stacked_experts(ModelSpec& spec,
                           const std::function<bool(const std::string&)>& has_tensor) {
  constexpr std::string_view kRouter = ".gate.weight";
  for (LayerSpec& layer : spec.layers) {
    if (!layer.moe || has_tensor(tensor_of(layer.moe->experts.front().up_proj))) continue;
    const std::string& router = layer.moe->router.matrix.name;
    if (!router.ends_with(kRouter)) continue;
    const std::string experts = router.substr(0, router.size() - kRouter.size()) + ".experts";
    if (!has_tensor(experts + ".gate_up_proj") || !has_tensor(experts + ".down_proj")) continue;
    for (std::size_t index = 0; index < layer.moe->experts.size(); ++index) {
      stack_expert(layer.moe->experts[index], index, layer.moe->experts.size(),
                   experts + ".gate_up_proj", experts + ".down_proj");
    }
  }
}

}  // namespace trine::models
