#include "runtime/attention.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "kernels/exponential.h"
#include "kernels/linalg/blas.h"
#include "runtime/steady_attention.h"

namespace trine::runtime {
namespace {

/// Query rows handled together: 64 rows × 4096 keys of scores are 1 MB, the L2 of one core.
constexpr std::size_t kAttentionTaskRows = 64;

/// Some query rows of one head of one sequence.
struct AttentionTask {
  const AttentionRows* sequence;
  std::size_t head;
  std::size_t first_row;  ///< within the sequence's new rows
  std::size_t num_rows;
};

std::vector<AttentionTask> divide(std::span<const AttentionRows> sequences,
                                  std::size_t num_heads) {
  std::vector<AttentionTask> tasks;
  for (const AttentionRows& sequence : sequences) {
    for (std::size_t head = 0; head < num_heads; ++head) {
      for (std::size_t row = 0; row < sequence.num_rows; row += kAttentionTaskRows) {
        tasks.push_back(
            {&sequence, head, row, std::min(kAttentionTaskRows, sequence.num_rows - row)});
      }
    }
  }
  return tasks;
}

void run_task(Compute& compute, const AttentionShape& shape, const AttentionTask& task,
              const float* queries, float* outputs) {
  const AttentionRows& sequence = *task.sequence;
  const std::size_t query_width = shape.num_heads * shape.head_dim;
  const std::size_t key_width = shape.num_key_value_heads * shape.head_dim;
  const std::size_t output_width = shape.num_heads * shape.v_head_dim;
  const std::size_t value_width = shape.num_key_value_heads * shape.v_head_dim;
  const std::size_t key_head = task.head / (shape.num_heads / shape.num_key_value_heads);
  // Keys outside what the first row begins with and the last one ends with are left out.
  const std::size_t first = keys_seen(shape, sequence, task.first_row).begin;
  const std::size_t last = keys_seen(shape, sequence, task.first_row + task.num_rows - 1).end;
  const std::size_t width = last - first;

  float* scores = compute.thread_scratch(task.num_rows * width);
  const std::size_t row_index = sequence.first_row + task.first_row;
  const float* rows = queries + row_index * query_width + task.head * shape.head_dim;
  const float* keys = sequence.source.keys + first * key_width + key_head * shape.head_dim;
  const float* values =
      sequence.source.values + first * value_width + key_head * shape.v_head_dim;
  kernels::multiply_transposed(task.num_rows, width, shape.head_dim,
                               static_cast<float>(shape.softmax_scale), {rows, query_width},
                               {keys, key_width}, {scores, width});
  const float sink =
      shape.sinks.empty() ? -std::numeric_limits<float>::infinity() : shape.sinks[task.head];
  for (std::size_t row = 0; row < task.num_rows; ++row) {
    const KeyRange seen = keys_seen(shape, sequence, task.first_row + row);
    float* mine = scores + row * width;
    if (shape.relative_bias != nullptr) {
      const std::size_t position = sequence.num_keys - sequence.num_rows + task.first_row + row;
      shape.relative_bias->add(task.head, position, seen.begin, seen.end - seen.begin,
                               mine + seen.begin - first);
    }
    masked_softmax(mine, {seen.begin - first, seen.end - first}, width, sink);
  }
  kernels::multiply(
      task.num_rows, shape.v_head_dim, width, {scores, width}, {values, value_width},
      {outputs + row_index * output_width + task.head * shape.v_head_dim, output_width});
}

}  // namespace

void masked_softmax(float* scores, KeyRange seen, std::size_t count, float sink) {
  const auto [first, last] = seen;
  kernels::softmax(scores + first, last - first, sink);
  std::fill(scores, scores + first, 0.0f);
  std::fill(scores + last, scores + count, 0.0f);
}

KeyRange keys_seen(const AttentionShape& shape, const AttentionRows& sequence,
                   std::size_t row) {
  if (!shape.is_causal) return {0, sequence.num_keys};
  // A row sees itself and what came before, as far as its window reaches.
  const std::size_t end = sequence.num_keys - sequence.num_rows + row + 1;
  const std::size_t window = shape.sliding_window.value_or(end);
  return {end > window ? end - window : 0, end};
}

void attend(Compute& compute, const AttentionShape& shape,
            std::span<const AttentionRows> sequences, const float* queries, float* outputs) {
  const bool has_pages = std::any_of(sequences.begin(), sequences.end(), [](const auto& rows) {
    return rows.source.pool != nullptr;
  });
  if (has_pages || compute.is_steady()) {
    return attend_steadily(compute, shape, sequences, queries, outputs);
  }
  const std::vector<AttentionTask> tasks = divide(sequences, shape.num_heads);
  std::size_t multiplications = 0;
  for (const AttentionRows& sequence : sequences) {
    multiplications +=
        2 * sequence.num_rows * sequence.num_keys * shape.num_heads * shape.head_dim;
  }
  compute.for_each(tasks.size(), multiplications, [&](std::size_t index) {
    run_task(compute, shape, tasks[index], queries, outputs);
  });
}

}  // namespace trine::runtime
