#include "eval/kernel_subject.h"

#include "base/huge_pages.h"
#include "base/random.h"
#include "models/weight_source.h"

namespace trine::eval {
namespace {

/// A source of the one matrix that is to be loaded next.
class OneMatrix final : public models::WeightSource {
 public:
  explicit OneMatrix(models::WeightView view) : view_(std::move(view)) {}
  Result<models::WeightView> matrix(const MatrixSpec& /*spec*/) const override { return view_; }
  Result<std::vector<float>> vector(const VectorSpec& /*spec*/) const override {
    return std::vector<float>{};
  }
  void release(const MatrixSpec& /*spec*/) const override {}

 private:
  models::WeightView view_;
};

}  // namespace

Batch make_batch(const kernels::KernelTable& table, const PackedLayout& layout,
                 std::size_t tokens, kernels::InputForm form) {
  base::Random random(tokens);
  Batch batch;
  base::resize_in_huge_pages(batch.inputs, tokens * layout.in_features);
  for (float& value : batch.inputs) value = static_cast<float>(random.normal());
  base::resize_in_huge_pages(batch.outputs, tokens * layout.out_features);
  const std::size_t bytes = table.prepared_bytes(layout.in_features, layout.group_size, form);
  base::resize_in_huge_pages(batch.memory, tokens * bytes + kLineBytes);
  const auto address = reinterpret_cast<std::uintptr_t>(batch.memory.data());
  std::uint8_t* first = batch.memory.data() + (kLineBytes - address % kLineBytes) % kLineBytes;
  for (std::size_t token = 0; token < tokens; ++token) {
    table.prepare_input(batch.inputs.data() + token * layout.in_features, layout.in_features,
                        layout.group_size, form, first + token * bytes);
  }
  batch.prepared = {first, bytes, tokens, form};
  return batch;
}

void Subject::run_kernel(std::size_t index, int threads, Batch& batch) const {
  const PackedMatrixView& codes = matrices_[index].codes;
  const kernels::OutputRows output{batch.outputs.data(), layout_.out_features};
  const std::size_t blocks = layout_.num_row_blocks();
  if (threads == 1) return table_.packed_matmul(codes, {0, blocks}, batch.prepared, output);
  const auto parts = static_cast<std::size_t>(threads);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t part = 0; part < parts; ++part) {
    const kernels::RowBlockRange rows{blocks * part / parts, blocks * (part + 1) / parts};
    table_.packed_matmul(codes, rows, batch.prepared, output);
  }
}

Result<std::vector<runtime::Linear>> Subject::linears() const {
  std::vector<runtime::Linear> linears;
  const MatrixSpec spec{.name = "random",
                        .out_features = layout_.out_features,
                        .in_features = layout_.in_features};
  for (std::size_t index = 0; index < matrices_.size(); ++index) {
    const CompensatedMatrixView& matrix = matrices_[index];
    models::WeightView view = matrix;
    if (matrix.low_rank.rank == 0) view = matrix.codes;
    TRINE_ASSIGN_OR_RETURN(runtime::Linear linear,
                           runtime::Linear::load(spec, OneMatrix(std::move(view))));
    linears.push_back(std::move(linear));
  }
  return linears;
}

}  // namespace trine::eval
