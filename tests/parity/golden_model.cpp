#include "parity/golden_model.h"

#include <algorithm>
#include <cstring>

namespace trine::parity {
namespace {

namespace fs = std::filesystem;
constexpr const char* kGoldenRoot = "tests/golden";
constexpr const char* kGoldenFile = "golden.safetensors";

template <class T>
Result<std::vector<T>> values_of(const base::SafetensorsFile& file, const char* name) {
  const base::TensorEntry* entry = file.find(name);
  if (entry == nullptr) return fail(ErrorCode::kNotFound, "golden: no tensor {}", name);
  const auto bytes = file.bytes(*entry);
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

}  // namespace

Result<Golden> Golden::open(const fs::path& folder) {
  TRINE_ASSIGN_OR_RETURN(const auto file, base::SafetensorsFile::open(folder / kGoldenFile));
  Golden golden;
  TRINE_ASSIGN_OR_RETURN(golden.token_ids, values_of<std::int32_t>(file, "token_ids"));
  TRINE_ASSIGN_OR_RETURN(golden.logits, values_of<float>(file, "logits"));
  const auto& shape = file.find("logits")->shape;
  if (shape.size() != 3) return fail(ErrorCode::kMalformed, "golden: logits are not 3-D");
  golden.num_sequences = shape[0];
  golden.length = shape[1];
  golden.vocab_size = shape[2];
  if (file.find("growing_logits") != nullptr) {
    TRINE_ASSIGN_OR_RETURN(golden.growing_logits, values_of<float>(file, "growing_logits"));
  }
  if (file.find("encoder_token_ids") != nullptr) {
    TRINE_ASSIGN_OR_RETURN(golden.encoder_token_ids,
                           values_of<std::int32_t>(file, "encoder_token_ids"));
  }
  if (file.find("encoder_router_choices") != nullptr) {
    TRINE_ASSIGN_OR_RETURN(golden.encoder_router_choices,
                           values_of<std::int32_t>(file, "encoder_router_choices"));
  }
  const base::TensorEntry* choices = file.find("router_choices");
  if (choices == nullptr) return golden;
  TRINE_ASSIGN_OR_RETURN(golden.router_choices,
                         values_of<std::int32_t>(file, "router_choices"));
  golden.num_moe_layers = choices->shape.front();
  golden.experts_per_token = choices->shape.back();
  return golden;
}

Result<std::vector<runtime::KvCache>> start_sequences(runtime::Engine& engine,
                                                      const Golden& golden,
                                                      runtime::RoutingTrace* trace) {
  std::vector<runtime::KvCache> caches(golden.num_sequences, runtime::KvCache(engine.spec()));
  if (golden.encoder_token_ids.empty()) return caches;
  std::vector<runtime::SequenceStep> inputs;
  for (std::size_t i = 0; i < golden.num_sequences; ++i) {
    inputs.push_back({golden.input(i), &caches[i]});
  }
  TRINE_RETURN_IF_ERROR(engine.encode(inputs, {trace}));
  return caches;
}

std::vector<std::int32_t> sorted_choices(runtime::RoutingTrace trace) {
  std::vector<std::int32_t> chosen;
  for (runtime::Routing& routing : trace) {
    const auto k = static_cast<std::ptrdiff_t>(routing.experts_per_token);
    for (auto it = routing.experts.begin(); it != routing.experts.end(); it += k) {
      std::sort(it, it + k);
    }
    chosen.insert(chosen.end(), routing.experts.begin(), routing.experts.end());
  }
  return chosen;
}

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kGoldenRoot)) {
    if (fs::exists(entry.path() / kGoldenFile)) {
      names.push_back(entry.path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

fs::path golden_folder(const std::string& name) { return fs::path(kGoldenRoot) / name; }

}  // namespace trine::parity
