#include "runtime/linear.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

#include "kernels/linalg/blas.h"

namespace trine::runtime {
namespace {

using kernels::KernelTable;

/// Outputs per task. At 4096 inputs and 3 bits a task is 115 kB of packed weights, and widened
/// to fp32 it is 1 MB: both fit the L2 cache of one core.
constexpr std::size_t kTaskRows = 64;

/// Up to this many tokens a dot product per output beats widening a panel for OpenBLAS.
constexpr std::size_t kMostDotTokens = 3;

/// What a batch is applied to.
struct Inputs {
  const float* values;
  std::size_t num_tokens;
  std::size_t in_features;
  std::map<std::size_t, kernels::PreparedInputs> prepared{};  ///< by group_size
};

/// Some rows of one call's matrix.
struct Task {
  const LinearCall* call;
  const Inputs* inputs;
  std::size_t first_row;
  std::size_t num_rows;
  float* projected;  ///< right · inputs of a compensator, [tokens, rank]; null without one
};

/// The right factor of one call, applied before its matrix.
struct Projection {
  const LowRankView* low_rank;
  const Inputs* inputs;
  std::vector<float> outputs{};  ///< [tokens, rank]
};

std::size_t bytes_of(const FactorView& factor) {
  if (const auto* packed = std::get_if<PackedMatrixView>(&factor)) {
    return packed->layout.total_bytes();
  }
  return std::get<TensorView>(factor).bytes.size();
}

std::size_t element_bytes(DType dtype) { return bits_of(dtype) / 8; }

void multiply_packed(const KernelTable& table, const PackedMatrixView& matrix, const Task& task,
                     const Inputs& inputs) {
  const kernels::RowBlockRange rows{
      task.first_row / kBlockRows,
      (task.first_row + task.num_rows + kBlockRows - 1) / kBlockRows};
  table.packed_matmul(matrix, rows, inputs.prepared.at(matrix.layout.group_size),
                      {task.call->output, matrix.layout.out_features});
}

/// projection.outputs[token, rank row] for some tokens; one task is kBlockRows of the rank.
void project(const KernelTable& table, Projection& projection, std::size_t row_block) {
  const Inputs& inputs = *projection.inputs;
  const std::size_t rank = projection.low_rank->rank;
  const FactorView& right = projection.low_rank->right;
  if (const auto* packed = std::get_if<PackedMatrixView>(&right)) {
    return table.packed_matmul(*packed, {row_block, row_block + 1},
                               inputs.prepared.at(packed->layout.group_size),
                               {projection.outputs.data(), rank});
  }
  const std::size_t width = inputs.in_features;
  const std::uint8_t* rows = std::get<TensorView>(right).bytes.data();
  const std::size_t last = std::min((row_block + 1) * kBlockRows, rank);
  for (std::size_t row = row_block * kBlockRows; row < last; ++row) {
    for (std::size_t token = 0; token < inputs.num_tokens; ++token) {
      projection.outputs[token * rank + row] =
          table.dot_f16(rows + row * width * 2, inputs.values + token * width, width);
    }
  }
}

/// Adds left · projected to the task's outputs.
void add_low_rank(Compute& compute, const LowRankView& low_rank, const Task& task,
                  const Inputs& inputs) {
  const std::size_t width = task.call->linear->out_features();
  const kernels::OutputRows output{task.call->output, width};
  if (const auto* packed = std::get_if<PackedMatrixView>(&low_rank.left)) {
    const std::size_t group_size = packed->layout.group_size;
    const std::size_t last = task.first_row + task.num_rows;
    const kernels::GroupRange groups{task.first_row / group_size,
                                     (last + group_size - 1) / group_size};
    return compute.kernels().add_low_rank(*packed, groups, task.projected, inputs.num_tokens,
                                          output);
  }
  const std::uint8_t* rows = std::get<TensorView>(low_rank.left).bytes.data();
  float* weights = compute.thread_scratch(task.num_rows);
  for (std::size_t row = 0; row < low_rank.rank; ++row) {
    compute.kernels().widen_f16(rows + (row * width + task.first_row) * 2, weights,
                                task.num_rows);
    for (std::size_t token = 0; token < inputs.num_tokens; ++token) {
      const float factor = task.projected[token * low_rank.rank + row];
      float* target = output.data + token * width + task.first_row;
      for (std::size_t i = 0; i < task.num_rows; ++i) target[i] += factor * weights[i];
    }
  }
}

void multiply_dots(const KernelTable& table, const TensorView& weights, const Task& task,
                   const Inputs& inputs) {
  const Linear& linear = *task.call->linear;
  const auto dot = weights.dtype == DType::kF32   ? table.dot_f32
                   : weights.dtype == DType::kF16 ? table.dot_f16
                                                  : table.dot_bf16;
  const std::size_t row_bytes = linear.in_features() * element_bytes(weights.dtype);
  for (std::size_t row = task.first_row; row < task.first_row + task.num_rows; ++row) {
    for (std::size_t token = 0; token < inputs.num_tokens; ++token) {
      task.call->output[token * linear.out_features() + row] =
          dot(weights.bytes.data() + row * row_bytes,
              inputs.values + token * linear.in_features(), linear.in_features());
    }
  }
}

/// As multiply_dots, for outputs that are the same in any company.
void multiply_steady(const KernelTable& table, const TensorView& weights, const Task& task,
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
const float* fp32_panel(Compute& compute, const TensorView& weights, const Task& task,
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

void multiply_panel(const Compute& compute, const float* panel, const Task& task,
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

void multiply_encoded(Compute& compute, const RowReader& reader, const Task& task,
                      const Inputs& inputs) {
  float* panel = compute.thread_scratch(task.num_rows * task.call->linear->in_features());
  reader.read_rows(task.first_row, task.num_rows, panel);
  multiply_panel(compute, panel, task, inputs);
}

void multiply_dense(Compute& compute, const TensorView& weights, const Task& task,
                    const Inputs& inputs) {
  if (compute.is_steady()) return multiply_steady(compute.kernels(), weights, task, inputs);
  if (inputs.num_tokens <= kMostDotTokens) {
    return multiply_dots(compute.kernels(), weights, task, inputs);
  }
  multiply_panel(compute, fp32_panel(compute, weights, task, task.call->linear->in_features()),
                 task, inputs);
}

void add_bias(const Task& task, const Inputs& inputs) {
  const Linear& linear = *task.call->linear;
  if (linear.bias().empty()) return;
  for (std::size_t token = 0; token < inputs.num_tokens; ++token) {
    float* output = task.call->output + token * linear.out_features();
    for (std::size_t row = task.first_row; row < task.first_row + task.num_rows; ++row) {
      output[row] += linear.bias()[row];
    }
  }
}

void run_task(Compute& compute, const Task& task) {
  const Inputs& inputs = *task.inputs;
  const models::WeightView& weight = task.call->linear->weight();
  if (const PackedMatrixView* packed = models::codes_of(weight)) {
    multiply_packed(compute.kernels(), *packed, task, inputs);
    const LowRankView* low_rank = models::low_rank_of(weight);
    if (low_rank != nullptr) add_low_rank(compute, *low_rank, task, inputs);
  } else if (const auto* reader = std::get_if<std::shared_ptr<const RowReader>>(&weight)) {
    multiply_encoded(compute, **reader, task, inputs);
  } else {
    multiply_dense(compute, std::get<TensorView>(weight), task, inputs);
  }
  add_bias(task, inputs);
}

/// One token's inputs to be prepared in groups of one size.
struct PrepareTask {
  const Inputs* inputs;
  std::size_t group_size;
  std::size_t token;
};

/// Everything one call of multiply() does, in the order of its three steps.
struct Work {
  std::vector<Inputs> inputs{};        ///< by batch
  std::vector<PrepareTask> prepare{};  ///< first
  std::vector<Projection>
      projections{};          ///< then, one per call, without a compensator for some
  std::vector<Task> tasks{};  ///< last
  std::size_t multiplications = 0;
};

/// Reserves one buffer for the inputs in groups of this size.
void reserve_prepared(Compute& compute, const PackedLayout& layout, std::size_t& slot,
                      Inputs& inputs) {
  if (inputs.prepared.contains(layout.group_size)) return;
  const std::size_t bytes = compute.kernels().prepared_bytes(
      layout.in_features, layout.group_size, compute.num_digits());
  inputs.prepared[layout.group_size] = {
      compute.prepared_inputs(slot++, bytes * inputs.num_tokens), bytes, inputs.num_tokens,
      compute.num_digits()};
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

/// Adds a call's projection and its tasks; room for the projection was reserved.
void add_call(const LinearCall& call, const Inputs& inputs, Work& work) {
  const LowRankView* low_rank = models::low_rank_of(call.linear->weight());
  Projection& projection = work.projections.emplace_back(Projection{low_rank, &inputs});
  if (low_rank != nullptr) projection.outputs.resize(inputs.num_tokens * low_rank->rank);
  float* projected = low_rank == nullptr ? nullptr : projection.outputs.data();
  const std::size_t rows = call.linear->out_features();
  for (std::size_t first = 0; first < rows; first += kTaskRows) {
    work.tasks.push_back({&call, &inputs, first, std::min(kTaskRows, rows - first), projected});
  }
  work.multiplications += rows * inputs.in_features * inputs.num_tokens;
}

Work work_of(Compute& compute, std::span<const LinearBatch> batches) {
  Work work;
  std::size_t num_calls = 0, slot = 0;
  for (const LinearBatch& batch : batches) num_calls += batch.calls.size();
  work.inputs.reserve(batches.size());  // others point into both
  work.projections.reserve(num_calls);
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
                                  task.group_size, prepared.num_digits, target);
}

struct ProjectionTask {
  Projection* projection;
  std::size_t row_block;
};

std::vector<ProjectionTask> divide(std::vector<Projection>& projections) {
  std::vector<ProjectionTask> tasks;
  for (Projection& projection : projections) {
    if (projection.low_rank == nullptr) continue;
    for (std::size_t row = 0; row < projection.low_rank->rank; row += kBlockRows) {
      tasks.push_back({&projection, row / kBlockRows});
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
  const std::vector<ProjectionTask> projection_tasks = divide(work.projections);
  compute.for_each(work.prepare.size(), work.multiplications,
                   [&](std::size_t index) { prepare(compute, work.prepare[index]); });
  compute.for_each(projection_tasks.size(), work.multiplications, [&](std::size_t index) {
    const ProjectionTask& task = projection_tasks[index];
    project(compute.kernels(), *task.projection, task.row_block);
  });
  compute.for_each(work.tasks.size(), work.multiplications,
                   [&](std::size_t index) { run_task(compute, work.tasks[index]); });
}

void multiply(Compute& compute, std::span<const LinearCall> calls, const float* inputs,
              std::size_t num_tokens) {
  const LinearBatch batch{calls, inputs, num_tokens};
  multiply(compute, std::span(&batch, 1));
}

}  // namespace trine::runtime
