// The epilogue of a compensator on 256-bit registers, for the wider tables too: the factor is
// some hundredths of its matrix, so unpacking it plainly costs little beside the matrix itself.
#include <algorithm>

#include "kernels/avx2/dense.h"
#include "kernels/avx2/target.h"
#include "kernels/block_codec.h"

namespace trine::kernels::avx2 {
namespace {

/// sums[i] += Σ_r weights[r, i] · factors[r], over the rows of one block.
TRINE_TARGET_AVX2 void add_rows(const float* weights, const float* factors,
                                std::size_t num_rows, std::size_t width, float* sums) noexcept {
  for (std::size_t row = 0; row < num_rows; ++row) {
    const float factor = factors[row];
    const float* source = weights + row * width;
    for (std::size_t i = 0; i < width; ++i) {
      sums[i] = __builtin_fmaf(source[i], factor, sums[i]);
    }
  }
}

}  // namespace

void add_low_rank(const PackedMatrixView& left, GroupRange outputs, const float* projected,
                  std::size_t num_tokens, const OutputRows& output) noexcept {
  constexpr std::size_t kMostTokens = 8;  // sums of so many tokens stay in the L1 cache
  const PackedLayout& layout = left.layout;
  const std::size_t rank = layout.out_features, width = layout.group_size;
  float weights[kBlockRows * kMostGroupSize];
  float sums[kMostTokens * kMostGroupSize];
  for (std::size_t group = outputs.begin; group < outputs.end; ++group) {
    const std::size_t first = group * width;
    const std::size_t count = std::min(width, layout.in_features - first);
    for (std::size_t token = 0; token < num_tokens; token += kMostTokens) {
      const std::size_t tokens = std::min(kMostTokens, num_tokens - token);
      std::fill_n(sums, tokens * width, 0.0f);
      for (std::size_t row = 0; row < rank; row += kBlockRows) {
        dequantize_group(left, row / kBlockRows, group, weights, width);
        for (std::size_t t = 0; t < tokens; ++t) {
          add_rows(weights, projected + (token + t) * rank + row,
                   std::min(kBlockRows, rank - row), width, sums + t * width);
        }
      }
      for (std::size_t t = 0; t < tokens; ++t) {
        float* target = output.data + (token + t) * output.stride + first;
        for (std::size_t i = 0; i < count; ++i) target[i] += sums[t * width + i];
      }
    }
  }
}

}  // namespace trine::kernels::avx2
