// The kernels that define correct: written to be read, summed in double, always built.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/dtype.h"
#include "kernels/block_codec.h"
#include "kernels/digit_layout.h"
#include "kernels/kernel_table.h"
#include "kernels/linalg/bf16_matrix.h"

namespace trine::kernels::scalar {
namespace {

/// fp32 values, padded with zeros to whole groups.
std::size_t prepared_bytes(std::size_t in_features, std::size_t group_size,
                           InputForm /*form*/) noexcept {
  const std::size_t padded = (in_features + group_size - 1) / group_size * group_size;
  return (padded * sizeof(float) + kLineBytes - 1) / kLineBytes * kLineBytes;
}

void round_to_bf16(float* values, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    std::uint16_t narrow = 0;
    narrow_to_bf16(values + i, 1, &narrow);
    values[i] = bf16_to_float(narrow);
  }
}

/// Two digits are finer than what this table is compared by, so the values stay as they are; bf16
/// and one digit are roundings that all tables share.
void prepare_input(const float* input, std::size_t in_features, std::size_t group_size,
                   InputForm form, std::uint8_t* prepared) noexcept {
  std::memset(prepared, 0, prepared_bytes(in_features, group_size, form));
  std::memcpy(prepared, input, in_features * sizeof(float));
  if (form == InputForm::kTwoDigits) return;
  auto* values = reinterpret_cast<float*>(prepared);
  if (form == InputForm::kBf16) return round_to_bf16(values, in_features);
  for (std::size_t first = 0; first < in_features; first += group_size) {
    const std::size_t end = std::min(first + group_size, in_features);
    float largest = 0.0f;
    for (std::size_t i = first; i < end; ++i) largest = std::max(largest, std::abs(values[i]));
    const float scale = one_digit_scale(largest), most = largest_digit_value(1);
    const float inverse = scale > 0.0f ? 1.0f / scale : 0.0f;
    for (std::size_t i = first; i < end; ++i) {
      values[i] = std::clamp(std::nearbyint(values[i] * inverse), -most, most) * scale;
    }
  }
}

/// One group's weights times one token's inputs of that group, added to 16 sums.
void add_group(const PackedMatrixView& matrix, std::size_t row_block, std::size_t group,
               const float* input, double* sums) noexcept {
  const std::size_t width = matrix.layout.group_size;
  float weights[kBlockRows * kMostGroupSize];
  dequantize_group(matrix, row_block, group, weights, width);
  for (std::size_t row = 0; row < kBlockRows; ++row) {
    for (std::size_t i = 0; i < width; ++i) {
      sums[row] += static_cast<double>(weights[row * width + i]) * input[i];
    }
  }
}

void packed_matmul(const PackedMatrixView& matrix, RowBlockRange rows,
                   const PreparedInputs& inputs, const OutputRows& output) noexcept {
  const PackedLayout& layout = matrix.layout;
  for (std::size_t row_block = rows.begin; row_block < rows.end; ++row_block) {
    const std::size_t first_row = row_block * kBlockRows;
    const std::size_t num_rows = std::min(kBlockRows, layout.out_features - first_row);
    for (std::size_t token = 0; token < inputs.num_tokens; ++token) {
      const std::uint8_t* prepared = inputs.data + token * inputs.bytes_per_token;
      double sums[kBlockRows] = {};
      for (std::size_t group = 0; group < layout.num_groups(); ++group) {
        add_group(matrix, row_block, group,
                  reinterpret_cast<const float*>(prepared) + group * layout.group_size, sums);
      }
      for (std::size_t row = 0; row < num_rows; ++row) {
        output.data[token * output.stride + first_row + row] = static_cast<float>(sums[row]);
      }
    }
  }
}

void add_low_rank(const PackedMatrixView& left, GroupRange outputs, const float* projected,
                  std::size_t num_tokens, const OutputRows& output) noexcept {
  const PackedLayout& layout = left.layout;
  const std::size_t rank = layout.out_features, width = layout.group_size;
  for (std::size_t group = outputs.begin; group < outputs.end; ++group) {
    const std::size_t first = group * width;
    const std::size_t count = std::min(width, layout.in_features - first);
    for (std::size_t token = 0; token < num_tokens; ++token) {
      double sums[kMostGroupSize] = {};
      float weights[kBlockRows * kMostGroupSize];
      for (std::size_t row = 0; row < rank; ++row) {
        const std::size_t lane = row % kBlockRows;
        if (lane == 0) dequantize_group(left, row / kBlockRows, group, weights, width);
        for (std::size_t i = 0; i < count; ++i) {
          sums[i] +=
              static_cast<double>(weights[lane * width + i]) * projected[token * rank + row];
        }
      }
      float* target = output.data + token * output.stride + first;
      for (std::size_t i = 0; i < count; ++i) {
        target[i] = static_cast<float>(static_cast<double>(target[i]) + sums[i]);
      }
    }
  }
}

float element_f32(const std::uint8_t* bytes, std::size_t index) noexcept {
  float value = 0.0f;
  std::memcpy(&value, bytes + index * sizeof value, sizeof value);
  return value;
}

std::uint16_t element_16(const std::uint8_t* bytes, std::size_t index) noexcept {
  std::uint16_t value = 0;
  std::memcpy(&value, bytes + index * sizeof value, sizeof value);
  return value;
}

float dot_f32(const std::uint8_t* weights, const float* input, std::size_t count) noexcept {
  double sum = 0.0;
  for (std::size_t i = 0; i < count; ++i) {
    sum += static_cast<double>(element_f32(weights, i)) * input[i];
  }
  return static_cast<float>(sum);
}

float dot_f16(const std::uint8_t* weights, const float* input, std::size_t count) noexcept {
  double sum = 0.0;
  for (std::size_t i = 0; i < count; ++i) {
    sum += static_cast<double>(f16_to_float(element_16(weights, i))) * input[i];
  }
  return static_cast<float>(sum);
}

float dot_bf16(const std::uint8_t* weights, const float* input, std::size_t count) noexcept {
  double sum = 0.0;
  for (std::size_t i = 0; i < count; ++i) {
    sum += static_cast<double>(bf16_to_float(element_16(weights, i))) * input[i];
  }
  return static_cast<float>(sum);
}

/// Every output is one dot_….
template <auto kDot>
void dots(WeightRows weights, InputRows inputs, std::size_t count,
          const OutputRows& output) noexcept {
  for (std::size_t input = 0; input < inputs.num_rows; ++input) {
    for (std::size_t row = 0; row < weights.num_rows; ++row) {
      output.data[input * output.stride + row] = kDot(
          weights.data + row * weights.row_bytes, inputs.data + input * inputs.stride, count);
    }
  }
}

void add_weighted(InputRows factors, InputRows values, std::size_t width,
                  const OutputRows& output) noexcept {
  for (std::size_t row = 0; row < factors.num_rows; ++row) {
    for (std::size_t i = 0; i < width; ++i) {
      double sum = output.data[row * output.stride + i];
      for (std::size_t k = 0; k < values.num_rows; ++k) {
        sum += static_cast<double>(factors.data[row * factors.stride + k]) *
               values.data[k * values.stride + i];
      }
      output.data[row * output.stride + i] = static_cast<float>(sum);
    }
  }
}

void narrow_f16(const float* source, std::uint8_t* target, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint16_t bits = float_to_f16(source[i]);
    std::memcpy(target + i * sizeof bits, &bits, sizeof bits);
  }
}

void widen_f16(const std::uint8_t* source, float* target, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) target[i] = f16_to_float(element_16(source, i));
}

void widen_bf16(const std::uint8_t* source, float* target, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) target[i] = bf16_to_float(element_16(source, i));
}

std::uint64_t read_all(const std::uint8_t* bytes, std::size_t count) noexcept {
  std::uint64_t folded = 0;
  for (std::size_t i = 0; i + sizeof folded <= count; i += sizeof folded) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + i, sizeof word);
    folded ^= word;
  }
  return folded;
}

}  // namespace

extern const KernelTable kTable;
const KernelTable kTable{.name = "scalar",
                         .prepared_bytes = prepared_bytes,
                         .prepare_input = prepare_input,
                         .packed_matmul = packed_matmul,
                         .add_low_rank = add_low_rank,
                         .dots_f32 = dots<dot_f32>,
                         .dots_f16 = dots<dot_f16>,
                         .dots_bf16 = dots<dot_bf16>,
                         .add_weighted = add_weighted,
                         .widen_f16 = widen_f16,
                         .widen_bf16 = widen_bf16,
                         .narrow_f16 = narrow_f16,
                         .read_all = read_all};

}  // namespace trine::kernels::scalar
