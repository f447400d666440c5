// What is multiplied when kernels are measured: random matrices, and inputs in batches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "eval/random_matrices.h"
#include "kernels/kernel_table.h"
#include "runtime/linear.h"

namespace trine::eval {

/// Inputs and outputs of one batch, and the inputs as packed_matmul wants them.
struct Batch {
  std::vector<float> inputs{}, outputs{};
  std::vector<std::uint8_t> memory{};
  kernels::PreparedInputs prepared{};
};

[[nodiscard]] Batch make_batch(const kernels::KernelTable& table, const PackedLayout& layout,
                               std::size_t tokens, kernels::InputForm form);

/// The matrices of one layout and the ways they are multiplied. Views into `buffer`.
class Subject {
 public:
  /// As RandomMatrices.
  Subject(const kernels::KernelTable& table, const PackedLayout& layout, std::size_t rank,
          std::span<std::uint8_t> buffer, std::size_t most, int threads)
      : table_(table), layout_(layout), matrices_(layout, rank, buffer, most, threads) {}

  [[nodiscard]] const RandomMatrices& matrices() const noexcept { return matrices_; }

  /// The packed product alone, row blocks divided evenly. @param index counts around.
  void run_kernel(std::size_t index, int threads, Batch& batch) const;

  /// One Linear per matrix, as the engine has them.
  [[nodiscard]] Result<std::vector<runtime::Linear>> linears() const;

 private:
  const kernels::KernelTable& table_;
  PackedLayout layout_;
  RandomMatrices matrices_;
};

}  // namespace trine::eval
