#include "core/model_spec.h"

namespace trine {

std::vector<const MatrixSpec*> compressible_matrices(const ModelSpec& spec) {
  std::vector<const MatrixSpec*> found;
  for (const LayerSpec& layer : spec.layers) {
    const AttentionSpec& attention = layer.attention;
    for (const MatrixSpec* matrix :
         {&attention.q_proj, &attention.k_proj, &attention.v_proj, &attention.o_proj}) {
      found.push_back(matrix);
    }
    for (const ExpertSpec& expert : layer.moe.experts) {
      for (const MatrixSpec* matrix : {&expert.gate_proj, &expert.up_proj, &expert.down_proj}) {
        found.push_back(matrix);
      }
    }
  }
  return found;
}

std::vector<std::string> norm_names(const ModelSpec& spec) {
  std::vector<std::string> names;
  for (const LayerSpec& layer : spec.layers) {
    names.push_back(layer.input_norm);
    names.push_back(layer.post_attention_norm);
  }
  names.push_back(spec.final_norm);
  return names;
}

std::vector<const MatrixSpec*> all_matrices(const ModelSpec& spec) {
  std::vector<const MatrixSpec*> found = compressible_matrices(spec);
  for (const LayerSpec& layer : spec.layers) found.push_back(&layer.moe.router);
  found.push_back(&spec.embed_tokens);
  if (spec.lm_head.name != spec.embed_tokens.name) found.push_back(&spec.lm_head);
  return found;
}

}  // namespace trine
