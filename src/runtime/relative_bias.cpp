#include "runtime/relative_bias.h"

#include <algorithm>
#include <cmath>

#include "runtime/linear.h"

namespace trine::runtime {

std::size_t distance_bucket(std::size_t distance, std::size_t num_buckets,
                            std::size_t max_distance) {
  const std::size_t exact = num_buckets / 2;
  if (distance < exact) return distance;
  // In fp32 as in the implementations these models were trained with: where a bucket begins at a
  // whole distance, rounding decides which side it falls on.
  const auto start = static_cast<float>(exact);
  const auto range = static_cast<float>(
      std::log(static_cast<double>(max_distance) / static_cast<double>(exact)));
  const auto wide = static_cast<float>(num_buckets - exact);
  const float share = std::log(static_cast<float>(distance) / start) / range;
  return std::min(exact + static_cast<std::size_t>(share * wide), num_buckets - 1);
}

Result<RelativeBias> RelativeBias::load(const RelativeBiasSpec& spec, bool is_causal,
                                        const models::WeightSource& source,
                                        const kernels::KernelTable& table) {
  const std::size_t num_heads = spec.table.in_features;
  RelativeBias bias;
  bias.num_buckets_ = spec.num_buckets;
  bias.later_keys_ = is_causal ? 0 : spec.num_buckets / 2;
  const std::size_t per_direction = spec.num_buckets - bias.later_keys_;
  for (std::size_t distance = 0; distance <= spec.max_distance; ++distance) {
    bias.buckets_.push_back(static_cast<std::uint32_t>(
        distance_bucket(distance, per_direction, spec.max_distance)));
  }
  TRINE_ASSIGN_OR_RETURN(const Linear stored, Linear::load(spec.table, source));
  if (std::holds_alternative<PackedMatrixView>(stored.weight())) {
    return fail(ErrorCode::kMalformed, "{}: packed codes, expected plain numbers",
                spec.table.name);
  }
  bias.values_.resize(num_heads * spec.num_buckets);
  std::vector<float> row(num_heads);
  for (std::size_t bucket = 0; bucket < spec.num_buckets; ++bucket) {
    stored.read_row(table, bucket, row.data());
    for (std::size_t head = 0; head < num_heads; ++head) {
      bias.values_[head * spec.num_buckets + bucket] = row[head];
    }
  }
  return bias;
}

void RelativeBias::add(std::size_t head, std::size_t query, std::size_t first_key,
                       std::size_t num_keys, float* scores) const {
  if (values_.empty()) return;
  const float* values = values_.data() + head * num_buckets_;
  const std::size_t farthest = buckets_.size() - 1;
  for (std::size_t i = 0; i < num_keys; ++i) {
    const std::size_t key = first_key + i;
    const bool is_later = key > query;
    const std::size_t distance = is_later ? key - query : query - key;
    const std::size_t bucket = buckets_[std::min(distance, farthest)];
    scores[i] += values[(is_later ? later_keys_ : 0) + bucket];
  }
}

}  // namespace trine::runtime
