// What the distance between two tokens adds to their attention score.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "core/model_spec.h"
#include "kernels/kernel_table.h"
#include "models/weight_source.h"

namespace trine::runtime {

/// Which of `num_buckets` buckets a distance of 0 or more falls into: the first half hold one
/// distance each, the others ever more of them, up to max_distance.
/// Source: Raffel et al. 2019, arXiv:1910.10683, section 2.1.
[[nodiscard]] std::size_t distance_bucket(std::size_t distance, std::size_t num_buckets,
                                          std::size_t max_distance);

/// The numbers of one stack, shared by all of its layers.
class RelativeBias {
 public:
  /// @param is_causal whether keys after the query are never seen. Where they are, the second half
  ///        of the buckets is theirs and the first half is that of all others.
  /// The errors of WeightSource::matrix, and kMalformed for a table of packed codes.
  [[nodiscard]] static Result<RelativeBias> load(const RelativeBiasSpec& spec, bool is_causal,
                                                 const models::WeightSource& source,
                                                 const kernels::KernelTable& table);

  /// scores[i] += what a query at `query` adds to a key at first_key + i in this head. Without a
  /// table nothing happens. Causal: no key may lie after the query.
  void add(std::size_t head, std::size_t query, std::size_t first_key, std::size_t num_keys,
           float* scores) const;

 private:
  std::size_t num_buckets_ = 0;
  std::vector<std::uint32_t> buckets_{};  ///< of distances 0 … max_distance
  std::size_t later_keys_ = 0;            ///< first bucket of keys after the query
  std::vector<float> values_{};           ///< [heads, num_buckets]
};

}  // namespace trine::runtime
