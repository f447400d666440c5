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

/// Some rows of one call's matrix.
struct Task {
  const LinearCall* call;
  std::size_t first_row;
  std::size_t num_rows;
};

struct Inputs {
  const float* values;
  std::size_t num_tokens;
  std::map<std::size_t, kernels::PreparedInputs> prepared{};  ///< by group_size
};

std::size_t element_bytes(DType dtype) { return bits_of(dtype) / 8; }

void multiply_packed(const KernelTable& table, const PackedMatrixView& matrix, const Task& task,
                     const Inputs& inputs) {
  const kernels::RowBlockRange rows{
      task.first_row / kBlockRows,
      (task.first_row + task.num_rows + kBlockRows - 1) / kBlockRows};
  table.packed_matmul(matrix, rows, inputs.prepared.at(matrix.layout.group_size),
                      {task.call->output, matrix.layout.out_features});
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
  if (weights.dtype == DType::kF32) std::memcpy(panel, source, count * sizeof(float));
  if (weights.dtype == DType::kF16) compute.kernels().widen_f16(source, panel, count);
  if (weights.dtype == DType::kBF16) compute.kernels().widen_bf16(source, panel, count);
  return panel;
}

void multiply_panel(Compute& compute, const TensorView& weights, const Task& task,
                    const Inputs& inputs) {
  const Linear& linear = *task.call->linear;
  const std::size_t in_features = linear.in_features();
  const float* panel = fp32_panel(compute, weights, task, in_features);
  kernels::multiply_transposed(inputs.num_tokens, task.num_rows, in_features, 1.0f,
                               {inputs.values, in_features}, {panel, in_features},
                               {task.call->output + task.first_row, linear.out_features()});
}

void run_task(Compute& compute, const Task& task, const Inputs& inputs) {
  const models::WeightView& weight = task.call->linear->weight();
  if (const auto* packed = std::get_if<PackedMatrixView>(&weight)) {
    return multiply_packed(compute.kernels(), *packed, task, inputs);
  }
  const auto& dense = std::get<TensorView>(weight);
  if (inputs.num_tokens <= kMostDotTokens) {
    return multiply_dots(compute.kernels(), dense, task, inputs);
  }
  multiply_panel(compute, dense, task, inputs);
}

/// Reserves one buffer per group size that occurs among packed calls.
void reserve_prepared(Compute& compute, std::span<const LinearCall> calls, Inputs& inputs) {
  for (const LinearCall& call : calls) {
    const auto* packed = std::get_if<PackedMatrixView>(&call.linear->weight());
    if (packed == nullptr || inputs.prepared.contains(packed->layout.group_size)) continue;
    const std::size_t bytes =
        compute.kernels().prepared_bytes(packed->layout.in_features, packed->layout.group_size);
    const std::size_t slot = inputs.prepared.size();
    inputs.prepared[packed->layout.group_size] = {
        compute.prepared_inputs(slot, bytes * inputs.num_tokens), bytes, inputs.num_tokens};
  }
}

std::vector<Task> divide(std::span<const LinearCall> calls) {
  std::vector<Task> tasks;
  for (const LinearCall& call : calls) {
    const std::size_t rows = call.linear->out_features();
    for (std::size_t first = 0; first < rows; first += kTaskRows) {
      tasks.push_back({&call, first, std::min(kTaskRows, rows - first)});
    }
  }
  return tasks;
}

}  // namespace

Result<Linear> Linear::load(const MatrixSpec& spec, const models::WeightSource& source) {
  TRINE_ASSIGN_OR_RETURN(models::WeightView weight, source.weight(spec.name));
  Linear linear;
  linear.out_features_ = spec.out_features;
  linear.in_features_ = spec.in_features;
  linear.weight_ = std::move(weight);
  if (const auto* packed = std::get_if<PackedMatrixView>(&linear.weight_)) {
    if (packed->layout.out_features != spec.out_features ||
        packed->layout.in_features != spec.in_features) {
      return fail(ErrorCode::kMalformed, "{}: packed shape is [{}, {}], expected [{}, {}]",
                  spec.name, packed->layout.out_features, packed->layout.in_features,
                  spec.out_features, spec.in_features);
    }
    return linear;
  }
  const auto& dense = std::get<TensorView>(linear.weight_);
  if (dense.shape != std::vector{spec.out_features, spec.in_features}) {
    return fail(ErrorCode::kMalformed, "{}: shape is [{}], expected [{}, {}]", spec.name,
                fmt::join(dense.shape, ", "), spec.out_features, spec.in_features);
  }
  if (dense.dtype != DType::kF32 && dense.dtype != DType::kF16 && dense.dtype != DType::kBF16) {
    return fail(ErrorCode::kUnsupported, "{}: type is {}, expected F32, F16 or BF16", spec.name,
                name_of(dense.dtype));
  }
  return linear;
}

std::size_t Linear::stored_bytes() const noexcept {
  if (const auto* packed = std::get_if<PackedMatrixView>(&weight_)) {
    return packed->layout.total_bytes();
  }
  return std::get<TensorView>(weight_).bytes.size();
}

void multiply(Compute& compute, std::span<const LinearCall> calls, const float* inputs,
              std::size_t num_tokens) {
  if (num_tokens == 0) return;
  Inputs shared{inputs, num_tokens};
  reserve_prepared(compute, calls, shared);
  const std::vector<Task> tasks = divide(calls);
  const std::size_t in_features = calls.front().linear->in_features();
  std::size_t multiplications = 0;
  for (const LinearCall& call : calls) {
    multiplications += call.linear->out_features() * in_features * num_tokens;
  }
#pragma omp parallel num_threads(compute.threads_for(multiplications))
  {
    for (const auto& entry : shared.prepared) {
      const std::size_t group_size = entry.first;
      const kernels::PreparedInputs& prepared = entry.second;
#pragma omp for schedule(static)
      for (std::size_t token = 0; token < num_tokens; ++token) {
        // The buffer is ours; PreparedInputs only promises readers not to write.
        auto* target =
            const_cast<std::uint8_t*>(prepared.data) + token * prepared.bytes_per_token;
        compute.kernels().prepare_input(inputs + token * in_features, in_features, group_size,
                                        target);
      }
    }
#pragma omp for schedule(dynamic)
    for (std::size_t index = 0; index < tasks.size(); ++index) {
      run_task(compute, tasks[index], shared);
    }
  }
}

}  // namespace trine::runtime
