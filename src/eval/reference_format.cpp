#include "eval/reference_format.h"

#include <fmt/format.h>

#include "base/hash.h"

namespace trine::eval {

std::vector<LayerExperts> experts_of(const std::vector<LayerSpec>& layers) {
  std::vector<LayerExperts> experts;
  for (const LayerSpec& layer : layers) {
    experts.push_back(
        layer.moe ? LayerExperts{layer.moe->router.experts_per_token, layer.moe->experts.size()}
                  : LayerExperts{});
  }
  return experts;
}

const std::vector<LayerSpec>& encoder_layers(const ModelSpec& spec) {
  static const std::vector<LayerSpec> none;
  return spec.encoder ? spec.encoder->layers : none;
}

std::string layers_text(const std::vector<LayerSpec>& layers) {
  std::string text;
  for (const LayerExperts& layer : experts_of(layers)) {
    text += fmt::format("{}{}/{}", text.empty() ? "" : ",", layer.chosen, layer.num_experts);
  }
  return text;
}

std::string text_key(std::span<const std::int32_t> token_ids) {
  return base::to_hex(base::xxh3(
      {reinterpret_cast<const std::uint8_t*>(token_ids.data()), token_ids.size_bytes()}));
}

std::string window_tensor(std::size_t text, std::size_t window, const char* part) {
  return fmt::format("{}.{}.{}", text, window, part);
}

std::size_t num_choices(const WindowRows& rows, std::span<const LayerExperts> encoder,
                        std::span<const LayerExperts> decoder) {
  std::size_t count = 0;
  for (const LayerExperts& layer : encoder) count += rows.num_inputs * layer.chosen;
  for (const LayerExperts& layer : decoder) count += rows.count * layer.chosen;
  return count;
}

}  // namespace trine::eval
