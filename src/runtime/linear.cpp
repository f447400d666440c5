#include "runtime/linear.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <limits>
#include <map>
#include <vector>

#include "kernels/linalg/blas.h"
#include "runtime/index_runs.h"

namespace trine::runtime {
namespace {

using kernels::KernelTable;

/// Outputs per task. At 4096 inputs and 3 bits a task is 115 kB of packed weights, and widened
/// to fp32 it is 1 MB: both fit the L2 cache of one core.
constexpr std::size_t kLinearTaskRows = 64;

/// Outputs of packed weights taken together for several tokens: 512 tokens of one digit with 14336 inputs
/// 75 → 78.5 % of the peak, with 4096 the same.
constexpr std::size_t kMostJoinedRows = 256;

/// Row blocks of a right factor per task: the kernels run two to four together.
constexpr std::size_t kLeastProjectionBlocks = 2, kMostProjectionBlocks = 4;

/// Up to this many tokens a dot product per output beats widening a panel for OpenBLAS.
constexpr std::size_t kMostDotTokens = 3;

/// What a batch is applied to.
struct Inputs {
  const float* values;
  std::size_t num_tokens;
  std::size_t in_features;
  std::map<std::size_t, kernels::PreparedInputs> prepared{};  ///< by group_size
};

/// The right factor of one call. Rows of its matrix need it only after their own product, so that
/// it holds nobody up: its tasks are taken first, by the time it is asked for it is there.
class Projection {
 public:
  Projection(const LowRankView& low_rank, const Inputs& inputs)
      : low_rank_(low_rank),
        inputs_(inputs),
        outputs_(inputs.num_tokens * low_rank.rank),
        blocks_left_((low_rank.rank + kBlockRows - 1) / kBlockRows) {}

  [[nodiscard]] const LowRankView& low_rank() const noexcept { return low_rank_; }
  [[nodiscard]] const Inputs& inputs() const noexcept { return inputs_; }
  [[nodiscard]] float* outputs() noexcept { return outputs_.data(); }

  void finish(std::size_t num_blocks) noexcept {
    if (blocks_left_.fetch_sub(num_blocks, std::memory_order_acq_rel) == num_blocks) {
      blocks_left_.notify_all();
    }
  }

  /// right · inputs, [tokens, rank], once all of it is there.
  [[nodiscard]] const float* await() const noexcept {
    std::size_t left = blocks_left_.load(std::memory_order_acquire);
    while (left > 0) {
      blocks_left_.wait(left, std::memory_order_acquire);
      left = blocks_left_.load(std::memory_order_acquire);
    }
    return outputs_.data();
  }

 private:
  const LowRankView& low_rank_;
  const Inputs& inputs_;
  std::vector<float> outputs_;
  std::atomic<std::size_t> blocks_left_;
};

/// Some rows of one call's matrix.
struct LinearTask {
  const LinearCall* call;
  const Inputs* inputs;
  std::size_t first_row;
  std::size_t num_rows;
  const Projection* projection;  ///< null without a compensator
};

std::size_t bytes_of(const FactorView& factor) {
  if (const auto* packed = std::get_if<PackedMatrixView>(&factor)) {
    return packed->layout.total_bytes();
  }
  return std::get<TensorView>(factor).bytes.size();
}

std::size_t element_bytes(DType dtype) { return bits_of(dtype) / 8; }

void multiply_packed(const KernelTable& table, const PackedMatrixView& matrix,
                     const LinearTask& task, const Inputs& inputs) {
  const kernels::RowBlockRange rows{
      task.first_row / kBlockRows,
      (task.first_row + task.num_rows + kBlockRows - 1) / kBlockRows};
  table.packed_matmul(matrix, rows, inputs.prepared.at(matrix.layout.group_size),
                      {task.call->output, matrix.layout.out_features});
}

/// Some row blocks of a right factor.
struct ProjectionTask {
  Projection* projection;
  kernels::RowBlockRange blocks;
};

/// outputs[token, rank row] of the task's row blocks.
void project(const KernelTable& table, const ProjectionTask& task) {
  const Inputs& inputs = task.projection->inputs();
  const LowRankView& low_rank = task.projection->low_rank();
  float* outputs = task.projection->outputs();
  if (const auto* packed = std::get_if<PackedMatrixView>(&low_rank.right)) {
    table.packed_matmul(*packed, task.blocks, inputs.prepared.at(packed->layout.group_size),
                        {outputs, low_rank.rank});
  } else {
    const std::size_t width = inputs.in_features;
    const std::uint8_t* rows = std::get<TensorView>(low_rank.right).bytes.data();
    const std::size_t first = task.blocks.begin * kBlockRows;
    const std::size_t last = std::min(task.blocks.end * kBlockRows, low_rank.rank);
    table.dots_f16({rows + first * width * 2, width * 2, last - first},
                   {inputs.values, width, inputs.num_tokens}, width,
                   {outputs + first, low_rank.rank});
  }
  task.projection->finish(task.blocks.end - task.blocks.begin);
}

/// The groups of a packed left factor that a task's outputs lie in.
kernels::GroupRange groups_of(const PackedLayout& left, const LinearTask& task) {
  const std::size_t last = task.first_row + task.num_rows;
  return {task.first_row / left.group_size, (last + left.group_size - 1) / left.group_size};
}

/// Adds left · projected to the task's outputs.
void add_low_rank(Compute& compute, const LowRankView& low_rank, const LinearTask& task,
                  const Inputs& inputs) {
  const float* projected = task.projection->await();
  const std::size_t width = task.call->linear->out_features();
  const kernels::OutputRows output{task.call->output, width};
  if (const auto* packed = std::get_if<PackedMatrixView>(&low_rank.left)) {
    return compute.kernels().add_low_rank(*packed, groups_of(packed->layout, task), projected,
                                          inputs.num_tokens, output);
  }
  const std::uint8_t* rows = std::get<TensorView>(low_rank.left).bytes.data();
  float* weights = compute.thread_scratch(task.num_rows);
  for (std::size_t row = 0; row < low_rank.rank; ++row) {
    compute.kernels().widen_f16(rows + (row * width + task.first_row) * 2, weights,
                                task.num_rows);
    for (std::size_t token = 0; token < inputs.num_tokens; ++token) {
      const float factor = projected[token * low_rank.rank + row];
      float* target = output.data + token * width + task.first_row;
      for (std::size_t i = 0; i < task.num_rows; ++i) target[i] += factor * weights[i];
    }
  }
}

/// One dot product per output, the same in any company.
void multiply_dots(const KernelTable& table, const TensorView& weights, const LinearTask& task,
                   const Inputs& inputs) {
  const Linear& linear = *task.call->linear;
  const std::size_t in_features = linear.in_features();
  const std::size_t row_bytes = in_features * element_bytes(weights.dtype);
  const auto dots = weights.dtype == DType::kF32   ? table.dots_f32
                    : weights.dtype == DType::kF16 ? table.dots_f16
                                                   : table.dots_bf16;
  dots({weights.bytes.data() + task.first_row * row_bytes, row_bytes, task.num_rows},
       {inputs.values, in_features, inputs.num_tokens}, in_features,
       {task.call->output + task.first_row, linear.out_features()});
}

/// `count` values from element `first` on as fp32.
void widen_values(const KernelTable& table, const TensorView& weights, std::size_t first,
                  std::size_t count, float* target) {
  const std::uint8_t* source = weights.bytes.data() + first * element_bytes(weights.dtype);
  if (weights.dtype == DType::kF32) std::memcpy(target, source, count * sizeof(float));
  if (weights.dtype == DType::kF16) table.widen_f16(source, target, count);
  if (weights.dtype == DType::kBF16) table.widen_bf16(source, target, count);
}

/// Rows of the matrix as fp32: in place when they are aligned fp32, else widened into scratch.
const float* fp32_panel(Compute& compute, const TensorView& weights, const LinearTask& task,
                        std::size_t in_features) {
  const std::uint8_t* source =
      weights.bytes.data() + task.first_row * in_features * element_bytes(weights.dtype);
  const std::size_t count = task.num_rows * in_features;
  if (weights.dtype == DType::kF32 &&
      reinterpret_cast<std::uintptr_t>(source) % alignof(float) == 0) {
    return reinterpret_cast<const float*>(source);
  }
  float* panel = compute.thread_scratch(count);
  widen_values(compute.kernels(), weights, task.first_row * in_features, count, panel);
  return panel;
}

void multiply_panel(const Compute& compute, const float* panel, const LinearTask& task,
                    const Inputs& inputs) {
  const Linear& linear = *task.call->linear;
  const std::size_t in_features = linear.in_features();
  if (compute.is_steady()) {
    return compute.kernels().dots_f32(
        {reinterpret_cast<const std::uint8_t*>(panel), in_features * sizeof(float),
         task.num_rows},
        {inputs.values, in_features, inputs.num_tokens}, in_features,
        {task.call->output + task.first_row, linear.out_features()});
  }
  kernels::multiply_transposed(inputs.num_tokens, task.num_rows, in_features, 1.0f,
                               {inputs.values, in_features}, {panel, in_features},
                               {task.call->output + task.first_row, linear.out_features()});
}

void multiply_encoded(Compute& compute, const RowReader& reader, const LinearTask& task,
                      const Inputs& inputs) {
  float* panel = compute.thread_scratch(task.num_rows * task.call->linear->in_features());
  reader.read_rows(task.first_row, task.num_rows, panel);
  multiply_panel(compute, panel, task, inputs);
}

void multiply_dense(Compute& compute, const TensorView& weights, const LinearTask& task,
                    const Inputs& inputs) {
  if (compute.is_steady() || inputs.num_tokens <= kMostDotTokens) {
    return multiply_dots(compute.kernels(), weights, task, inputs);
  }
  multiply_panel(compute, fp32_panel(compute, weights, task, task.call->linear->in_features()),
                 task, inputs);
}

void add_bias(const LinearTask& task, const Inputs& inputs) {
  const Linear& linear = *task.call->linear;
  if (linear.bias().empty()) return;
  for (std::size_t token = 0; token < inputs.num_tokens; ++token) {
    float* output = task.call->output + token * linear.out_features();
    for (std::size_t row = task.first_row; row < task.first_row + task.num_rows; ++row) {
      output[row] += linear.bias()[row];
    }
  }
}

void run_task(Compute& compute, const LinearTask& task) {
  const Inputs& inputs = *task.inputs;
  const models::WeightView& weight = task.call->linear->weight();
  if (const PackedMatrixView* packed = models::codes_of(weight)) {
    const LowRankView* low_rank = models::low_rank_of(weight);
    multiply_packed(compute.kernels(), *packed, task, inputs);
    if (low_rank != nullptr) add_low_rank(compute, *low_rank, task, inputs);
  } else if (const auto* reader = std::get_if<std::shared_ptr<const RowReader>>(&weight)) {
    multiply_encoded(compute, **reader, task, inputs);
  } else {
    multiply_dense(compute, std::get<TensorView>(weight), task, inputs);
  }
  add_bias(task, inputs);
}

/// Outputs that one task may have. All that there are for one token of packed weights, and for a few of dense
/// ones: the more rows a kernel is given, the longer the runs of memory it reads. For several tokens of packed
/// weights kMostJoinedRows, which the kernels multiply with some inputs before the next inputs.
std::size_t most_rows(const LinearTask& task) {
  constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
  const models::WeightView& weight = task.call->linear->weight();
  const std::size_t num_tokens = task.inputs->num_tokens;
  if (models::codes_of(weight) != nullptr) return num_tokens == 1 ? kAll : kMostJoinedRows;
  const bool is_dense = std::holds_alternative<TensorView>(weight);
  return is_dense && num_tokens <= kMostDotTokens ? kAll : kLinearTaskRows;
}

/// The tasks of a run that are taken together with its first one.
LinearTask joined(std::span<const LinearTask> tasks) {
  LinearTask first = tasks.front();
  const std::size_t most = most_rows(first);
  for (const LinearTask& task : tasks.subspan(1)) {
    if (task.call != first.call || first.num_rows + task.num_rows > most) break;
    first.num_rows += task.num_rows;
  }
  return first;
}

/// One token's inputs to be prepared in groups of one size.
struct PrepareTask {
  const Inputs* inputs;
  std::size_t group_size;
  std::size_t token;
};

/// Everything one call of multiply() does.
struct Work {
  std::vector<Inputs> inputs{};          ///< by batch
  std::deque<Projection> projections{};  ///< one per call with a compensator
  std::vector<PrepareTask> prepare{};    ///< first, all of it
  std::vector<LinearTask> tasks{};       ///< last, after the projections
  std::size_t multiplications = 0;
};

/// Reserves one buffer for the inputs in groups of this size.
void reserve_prepared(Compute& compute, const PackedLayout& layout, std::size_t& slot,
                      Inputs& inputs) {
  if (inputs.prepared.contains(layout.group_size)) return;
  const std::size_t bytes = compute.kernels().prepared_bytes(
      layout.in_features, layout.group_size, compute.input_form());
  inputs.prepared[layout.group_size] = {
      compute.prepared_inputs(slot++, bytes * inputs.num_tokens), bytes, inputs.num_tokens,
      compute.input_form()};
}

/// Reserves one buffer per group size that occurs among packed matrices and right factors.
void reserve_prepared(Compute& compute, std::span<const LinearCall> calls, std::size_t& slot,
                      Inputs& inputs) {
  for (const LinearCall& call : calls) {
    const PackedMatrixView* packed = models::codes_of(call.linear->weight());
    if (packed == nullptr) continue;
    reserve_prepared(compute, packed->layout, slot, inputs);
    const LowRankView* low_rank = models::low_rank_of(call.linear->weight());
    if (low_rank == nullptr) continue;
    const auto* right = std::get_if<PackedMatrixView>(&low_rank->right);
    if (right != nullptr) reserve_prepared(compute, right->layout, slot, inputs);
  }
}

/// Adds a call's projection and its tasks.
void add_call(const LinearCall& call, const Inputs& inputs, Work& work) {
  const LowRankView* low_rank = models::low_rank_of(call.linear->weight());
  const Projection* projection = nullptr;
  if (low_rank != nullptr) projection = &work.projections.emplace_back(*low_rank, inputs);
  const std::size_t rows = call.linear->out_features();
  for (std::size_t first = 0; first < rows; first += kLinearTaskRows) {
    work.tasks.push_back(
        {&call, &inputs, first, std::min(kLinearTaskRows, rows - first), projection});
  }
  work.multiplications += rows * inputs.in_features * inputs.num_tokens;
}

Work work_of(Compute& compute, std::span<const LinearBatch> batches) {
  Work work;
  std::size_t slot = 0;
  work.inputs.reserve(batches.size());  // others point into it
  for (const LinearBatch& batch : batches) {
    if (batch.num_tokens == 0 || batch.calls.empty()) continue;
    Inputs& inputs = work.inputs.emplace_back(
        Inputs{batch.inputs, batch.num_tokens, batch.calls.front().linear->in_features()});
    reserve_prepared(compute, batch.calls, slot, inputs);
    for (const auto& prepared : inputs.prepared) {
      for (std::size_t token = 0; token < batch.num_tokens; ++token) {
        work.prepare.push_back({&inputs, prepared.first, token});
      }
    }
    for (const LinearCall& call : batch.calls) add_call(call, inputs, work);
  }
  return work;
}

void prepare(const Compute& compute, const PrepareTask& task) {
  const kernels::PreparedInputs& prepared = task.inputs->prepared.at(task.group_size);
  // The buffer is ours; PreparedInputs only promises readers not to write.
  auto* target =
      const_cast<std::uint8_t*>(prepared.data) + task.token * prepared.bytes_per_token;
  const std::size_t in_features = task.inputs->in_features;
  compute.kernels().prepare_input(task.inputs->values + task.token * in_features, in_features,
                                  task.group_size, prepared.form, target);
}

std::vector<ProjectionTask> divide(std::deque<Projection>& projections, int threads) {
  std::vector<ProjectionTask> tasks;
  const auto parts = static_cast<std::size_t>(threads);
  for (Projection& projection : projections) {
    const std::size_t blocks = (projection.low_rank().rank + kBlockRows - 1) / kBlockRows;
    const std::size_t step =
        std::clamp((blocks + parts - 1) / parts, kLeastProjectionBlocks, kMostProjectionBlocks);
    for (std::size_t first = 0; first < blocks; first += step) {
      tasks.push_back({&projection, {first, std::min(first + step, blocks)}});
    }
  }
  return tasks;
}

}  // namespace

Result<Linear> Linear::load(const MatrixSpec& spec, const models::WeightSource& source) {
  Linear linear;
  if (!spec.exists()) return linear;
  linear.name_ = spec.name;
  linear.out_features_ = spec.out_features;
  linear.in_features_ = spec.in_features;
  TRINE_ASSIGN_OR_RETURN(linear.weight_, source.matrix(spec));
  const PackedMatrixView* packed = models::codes_of(linear.weight_);
  if (packed != nullptr && (packed->layout.out_features != spec.out_features ||
                            packed->layout.in_features != spec.in_features)) {
    return fail(ErrorCode::kMalformed, "{}: packed shape is [{}, {}], expected [{}, {}]",
                spec.name, packed->layout.out_features, packed->layout.in_features,
                spec.out_features, spec.in_features);
  }
  if (spec.bias.exists()) {
    TRINE_ASSIGN_OR_RETURN(linear.bias_, source.vector(spec.bias));
  }
  return linear;
}

void Linear::read_row(const KernelTable& table, std::size_t index, float* target) const {
  if (const auto* reader = std::get_if<std::shared_ptr<const RowReader>>(&weight_)) {
    return (*reader)->read_rows(index, 1, target);
  }
  const auto* dense = std::get_if<TensorView>(&weight_);
  check(dense != nullptr, "Linear::read_row: the matrix is packed");
  widen_values(table, *dense, index * in_features_, in_features_, target);
}

std::size_t Linear::stored_bytes() const noexcept {
  if (const PackedMatrixView* packed = models::codes_of(weight_)) {
    const LowRankView* low_rank = models::low_rank_of(weight_);
    return packed->layout.total_bytes() +
           (low_rank == nullptr ? 0 : bytes_of(low_rank->left) + bytes_of(low_rank->right));
  }
  if (const auto* reader = std::get_if<std::shared_ptr<const RowReader>>(&weight_)) {
    return (*reader)->stored_bytes();
  }
  return std::get<TensorView>(weight_).bytes.size();
}

void multiply(Compute& compute, std::span<const LinearBatch> batches) {
  if (compute.input_observer() != nullptr) {
    for (const LinearBatch& batch : batches) {
      if (batch.num_tokens == 0) continue;
      compute.input_observer()->observe(batch.calls, batch.inputs, batch.num_tokens);
    }
  }
  Work work = work_of(compute, batches);
  compute.for_each(work.prepare.size(), work.multiplications,
                   [&](std::size_t index) { prepare(compute, work.prepare[index]); });
  const int threads = compute.threads_for(work.multiplications);
  const std::vector<ProjectionTask> projection_tasks = divide(work.projections, threads);
  IndexRuns projection_runs(projection_tasks.size(), threads, 1);
  IndexRuns task_runs(work.tasks.size(), threads, std::numeric_limits<std::size_t>::max());
  // Every thread takes what is left of both, without a barrier in between: whoever took a projection
  // finishes it without waiting for anybody.
  compute.for_each(static_cast<std::size_t>(threads), work.multiplications, [&](std::size_t) {
    for (auto run = projection_runs.take(); run.begin < run.end; run = projection_runs.take()) {
      project(compute.kernels(), projection_tasks[run.begin]);
    }
    for (auto run = task_runs.take(); run.begin < run.end; run = task_runs.take()) {
      for (std::size_t index = run.begin; index < run.end;) {
        const LinearTask task = joined(std::span(work.tasks).subspan(index, run.end - index));
        run_task(compute, task);
        index += (task.num_rows + kLinearTaskRows - 1) / kLinearTaskRows;
      }
    }
  });
}

void multiply(Compute& compute, std::span<const LinearCall> calls, const float* inputs,
              std::size_t num_tokens) {
  const LinearBatch batch{calls, inputs, num_tokens};
  multiply(compute, std::span(&batch, 1));
}

}  // namespace trine::runtime
