// Attention in which a row's outputs do not depend on its company; reads pages as well as rows.
#pragma once

#include <span>

#include "runtime/attention.h"
#include "runtime/compute.h"

namespace trine::runtime {

/// Keys that row `row` of a sequence's new ones sees, [begin, end).
struct KeyRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};
[[nodiscard]] KeyRange keys_seen(const AttentionShape& shape, const AttentionRows& sequence,
                                 std::size_t row);

/// scores[begin, end) become softmax of themselves and the sink, the others of [0, count) zeros.
void masked_softmax(float* scores, KeyRange seen, std::size_t count, float sink);

/// As attend().
void attend_steadily(Compute& compute, const AttentionShape& shape,
                     std::span<const AttentionRows> sequences, const float* queries,
                     float* outputs);

}  // namespace trine::runtime
