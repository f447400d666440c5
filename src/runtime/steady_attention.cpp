// A task is some rows of all query heads that share a key head, so that a page is widened once
// for them. Keys are taken in pages of kPageTokens, counted from the first token of the sequence:
// sums over keys break at the same places for every row, however the rows came.
#include "runtime/steady_attention.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

namespace trine::runtime {
namespace {

/// Query rows of a task, counted over the heads of its group.
constexpr std::size_t kTaskQueries = 64;

struct SteadyAttentionTask {
  const AttentionRows* sequence;
  std::size_t key_head;
  std::size_t first_row;
  std::size_t num_rows;
};

/// What one task works on; everything lies in the thread's scratch memory.
class TaskRun {
 public:
  TaskRun(Compute& compute, const AttentionShape& shape, const SteadyAttentionTask& task)
      : table_(compute.kernels()),
        shape_(shape),
        task_(task),
        group_(shape.num_heads / shape.num_key_value_heads),
        num_queries_(task.num_rows * group_) {
    first_key_ = keys_seen(shape, *task.sequence, task.first_row).begin;
    last_key_ = keys_seen(shape, *task.sequence, task.first_row + task.num_rows - 1).end;
    first_key_ = first_key_ / kPageTokens * kPageTokens;
    width_ = last_key_ - first_key_;
    const std::size_t page = kPageTokens * std::max(shape.head_dim, shape.v_head_dim);
    queries_ = compute.thread_scratch(
        num_queries_ * (shape.head_dim + width_ + shape.v_head_dim) + page);
    scores_ = queries_ + num_queries_ * shape.head_dim;
    sums_ = scores_ + num_queries_ * width_;
    page_ = sums_ + num_queries_ * shape.v_head_dim;
  }

  void run(const float* queries, float* outputs) {
    gather(queries);
    for (std::size_t key = first_key_; key < last_key_; key += kPageTokens) score_page(key);
    for (std::size_t query = 0; query < num_queries_; ++query) normalise(query);
    std::fill_n(sums_, num_queries_ * shape_.v_head_dim, 0.0f);
    for (std::size_t key = first_key_; key < last_key_; key += kPageTokens) add_page(key);
    scatter(outputs);
  }

 private:
  [[nodiscard]] std::size_t head_of(std::size_t query) const noexcept {
    return task_.key_head * group_ + query % group_;
  }
  [[nodiscard]] std::size_t row_of(std::size_t query) const noexcept {
    return task_.first_row + query / group_;
  }

  void gather(const float* queries) {
    for (std::size_t query = 0; query < num_queries_; ++query) {
      const std::size_t row = task_.sequence->first_row + row_of(query);
      std::memcpy(queries_ + query * shape_.head_dim,
                  queries + (row * shape_.num_heads + head_of(query)) * shape_.head_dim,
                  shape_.head_dim * sizeof(float));
    }
  }

  void scatter(float* outputs) const {
    for (std::size_t query = 0; query < num_queries_; ++query) {
      const std::size_t row = task_.sequence->first_row + row_of(query);
      std::memcpy(outputs + (row * shape_.num_heads + head_of(query)) * shape_.v_head_dim,
                  sums_ + query * shape_.v_head_dim, shape_.v_head_dim * sizeof(float));
    }
  }

  void score_page(std::size_t key) {
    const std::size_t count = std::min(kPageTokens, last_key_ - key);
    const KeysAndValues& source = task_.sequence->source;
    const std::size_t row_width = shape_.num_key_value_heads * shape_.head_dim;
    kernels::WeightRows rows{nullptr, row_width * sizeof(float), count};
    if (source.pool != nullptr) {
      source.pool->read_keys(table_, source.pages[key / kPageTokens], source.layer,
                             task_.key_head, count, page_);
      rows.data = reinterpret_cast<const std::uint8_t*>(page_);
      rows.row_bytes = shape_.head_dim * sizeof(float);
    } else {
      rows.data = reinterpret_cast<const std::uint8_t*>(source.keys + key * row_width +
                                                        task_.key_head * shape_.head_dim);
    }
    table_.dots_f32(rows, {queries_, shape_.head_dim, num_queries_}, shape_.head_dim,
                    {scores_ + key - first_key_, width_});
  }

  void normalise(std::size_t query) {
    float* scores = scores_ + query * width_;
    const KeyRange seen = keys_seen(shape_, *task_.sequence, row_of(query));
    const auto scale = static_cast<float>(shape_.softmax_scale);
    const KeyRange here{seen.begin - first_key_, seen.end - first_key_};
    for (std::size_t i = here.begin; i < here.end; ++i) scores[i] *= scale;
    if (shape_.relative_bias != nullptr) {
      const std::size_t position =
          task_.sequence->num_keys - task_.sequence->num_rows + row_of(query);
      shape_.relative_bias->add(head_of(query), position, seen.begin, seen.end - seen.begin,
                                scores + here.begin);
    }
    const float sink = shape_.sinks.empty() ? -std::numeric_limits<float>::infinity()
                                            : shape_.sinks[head_of(query)];
    masked_softmax(scores, here, width_, sink);
  }

  void add_page(std::size_t key) {
    const std::size_t count = std::min(kPageTokens, last_key_ - key);
    const KeysAndValues& source = task_.sequence->source;
    const std::size_t row_width = shape_.num_key_value_heads * shape_.v_head_dim;
    kernels::InputRows values{
        source.values + key * row_width + task_.key_head * shape_.v_head_dim, row_width, count};
    if (source.pool != nullptr) {
      source.pool->read_values(table_, source.pages[key / kPageTokens], source.layer,
                               task_.key_head, count, page_);
      values = {page_, shape_.v_head_dim, count};
    }
    table_.add_weighted({scores_ + key - first_key_, width_, num_queries_}, values,
                        shape_.v_head_dim, {sums_, shape_.v_head_dim});
  }

  const kernels::KernelTable& table_;
  const AttentionShape& shape_;
  const SteadyAttentionTask& task_;
  std::size_t group_;
  std::size_t num_queries_;
  std::size_t first_key_ = 0, last_key_ = 0, width_ = 0;
  float *queries_ = nullptr, *scores_ = nullptr, *sums_ = nullptr, *page_ = nullptr;
};

}  // namespace

void attend_steadily(Compute& compute, const AttentionShape& shape,
                     std::span<const AttentionRows> sequences, const float* queries,
                     float* outputs) {
  const std::size_t group = shape.num_heads / shape.num_key_value_heads;
  const std::size_t task_rows = std::max<std::size_t>(1, kTaskQueries / group);
  std::vector<SteadyAttentionTask> tasks;
  std::size_t multiplications = 0;
  for (const AttentionRows& sequence : sequences) {
    for (std::size_t head = 0; head < shape.num_key_value_heads; ++head) {
      for (std::size_t row = 0; row < sequence.num_rows; row += task_rows) {
        tasks.push_back({&sequence, head, row, std::min(task_rows, sequence.num_rows - row)});
      }
    }
    multiplications +=
        2 * sequence.num_rows * sequence.num_keys * shape.num_heads * shape.head_dim;
  }
  // Of a few rows, widening the pages and the softmax take several times as long as multiplying:
  // 16 sequences of 80 tokens and 8 heads of 32 are 0.66 million multiplications and 100 µs.
  constexpr std::size_t kCost = 6;
  compute.for_each(tasks.size(), kCost * multiplications, [&](std::size_t index) {
    TaskRun(compute, shape, tasks[index]).run(queries, outputs);
  });
}

}  // namespace trine::runtime
