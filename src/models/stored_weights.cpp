#include "models/stored_weights.h"

#include "base/safetensors_header.h"
#include "models/row_readers.h"

namespace trine::models {
namespace {

Status require_shape(const std::string& name, const TensorView& tensor,
                     const std::vector<std::size_t>& expected) {
  if (tensor.shape == expected) return {};
  return fail(ErrorCode::kMalformed, "tensor \"{}\" has shape {}, config.json asks for {}",
              name, base::shape_text(tensor.shape), base::shape_text(expected));
}

Status require_float(const std::string& name, const TensorView& tensor) {
  const bool is_float = tensor.dtype == DType::kF32 || tensor.dtype == DType::kF16 ||
                        tensor.dtype == DType::kBF16;
  if (is_float) return {};
  return fail(ErrorCode::kUnsupported, "tensor \"{}\" has dtype {}, expected F32, F16 or BF16",
              name, name_of(tensor.dtype));
}

Status require_type(const std::string& name, const TensorView& tensor, DType expected) {
  if (tensor.dtype == expected) return {};
  return fail(ErrorCode::kUnsupported, "tensor \"{}\" has dtype {}, expected {}", name,
              name_of(tensor.dtype), name_of(expected));
}

/// [planes, rows, cols] or [rows, cols], with whatever the encoding does to the last axis.
std::vector<std::size_t> expected_shape(const StoredAs& stored, std::size_t rows,
                                        std::vector<std::size_t> columns) {
  std::vector<std::size_t> shape;
  if (stored.plane) shape.push_back(stored.num_planes);
  shape.push_back(rows);
  shape.insert(shape.end(), columns.begin(), columns.end());
  return shape;
}

/// The bytes of one plane of a stacked tensor, or of the whole tensor.
std::span<const std::uint8_t> plane_of(const TensorView& tensor, const StoredAs& stored) {
  if (!stored.plane) return tensor.bytes;
  const std::size_t plane_bytes = tensor.bytes.size() / tensor.shape.front();
  return tensor.bytes.subspan(*stored.plane * plane_bytes, plane_bytes);
}

std::size_t rows_of_plane(const MatrixSpec& spec) {
  return spec.stored.tensor_rows == 0 ? spec.out_features : spec.stored.tensor_rows;
}

Result<WeightView> plain_matrix(const MatrixSpec& spec, const TensorLookup& lookup) {
  const StoredAs& stored = spec.stored;
  const std::string& name = tensor_of(spec);
  TRINE_ASSIGN_OR_RETURN(const TensorView tensor, lookup(name));
  TRINE_RETURN_IF_ERROR(require_float(name, tensor));
  const std::size_t rows = rows_of_plane(spec);
  TRINE_RETURN_IF_ERROR(require_shape(name, tensor,
                                      stored.is_transposed
                                          ? expected_shape(stored, spec.in_features, {rows})
                                          : expected_shape(stored, rows, {spec.in_features})));
  const auto plane = plane_of(tensor, stored);
  if (stored.is_transposed || stored.row_step != 1) {
    return make_strided_reader({tensor.dtype, plane, spec.in_features, rows, stored.first_row,
                                stored.row_step, stored.is_transposed});
  }
  const std::size_t row_bytes = spec.in_features * bits_of(tensor.dtype) / 8;
  return TensorView{tensor.dtype,
                    {spec.out_features, spec.in_features},
                    plane.subspan(stored.first_row * row_bytes, spec.out_features * row_bytes)};
}

Result<WeightView> fp8_matrix(const MatrixSpec& spec, const TensorLookup& lookup) {
  constexpr std::size_t kBlock = 128;
  const std::string& name = tensor_of(spec);
  TRINE_ASSIGN_OR_RETURN(const TensorView tensor, lookup(name));
  if (tensor.dtype != DType::kF8E4M3)
    return plain_matrix(spec, lookup);  // some are left as BF16
  TRINE_RETURN_IF_ERROR(require_shape(name, tensor, {spec.out_features, spec.in_features}));
  TRINE_ASSIGN_OR_RETURN(const TensorView factors, lookup(spec.stored.scales));
  TRINE_RETURN_IF_ERROR(require_type(spec.stored.scales, factors, DType::kF32));
  TRINE_RETURN_IF_ERROR(require_shape(
      spec.stored.scales, factors,
      {(spec.out_features + kBlock - 1) / kBlock, (spec.in_features + kBlock - 1) / kBlock}));
  return make_fp8_reader({tensor.bytes, factors.bytes, spec.in_features, kBlock});
}

Result<WeightView> mxfp4_matrix(const MatrixSpec& spec, const TensorLookup& lookup) {
  constexpr std::size_t kGroup = 32;
  constexpr std::size_t kGroupBytes = kGroup / 2;
  const std::string& name = tensor_of(spec);
  TRINE_ASSIGN_OR_RETURN(const TensorView nibbles, lookup(name));
  TRINE_ASSIGN_OR_RETURN(const TensorView exponents, lookup(spec.stored.scales));
  const std::size_t groups = spec.in_features / kGroup;
  const std::size_t rows = rows_of_plane(spec);
  TRINE_RETURN_IF_ERROR(require_type(name, nibbles, DType::kU8));
  TRINE_RETURN_IF_ERROR(require_type(spec.stored.scales, exponents, DType::kU8));
  TRINE_RETURN_IF_ERROR(
      require_shape(name, nibbles, expected_shape(spec.stored, rows, {groups, kGroupBytes})));
  TRINE_RETURN_IF_ERROR(require_shape(spec.stored.scales, exponents,
                                      expected_shape(spec.stored, rows, {groups})));
  return make_mxfp4_reader({plane_of(nibbles, spec.stored), plane_of(exponents, spec.stored),
                            spec.in_features, spec.stored.first_row, spec.stored.row_step});
}

}  // namespace

Result<WeightView> stored_matrix(const MatrixSpec& spec, const TensorLookup& lookup) {
  switch (spec.stored.encoding) {
    case Encoding::kPlain: return plain_matrix(spec, lookup);
    case Encoding::kFp8Blocks: return fp8_matrix(spec, lookup);
    case Encoding::kMxfp4: return mxfp4_matrix(spec, lookup);
  }
  throw InvariantError("stored_matrix: unknown encoding");
}

Result<std::vector<float>> stored_vector(const VectorSpec& spec, const TensorLookup& lookup) {
  const StoredAs& stored = spec.stored;
  const std::string& name = tensor_of(spec);
  TRINE_ASSIGN_OR_RETURN(const TensorView tensor, lookup(name));
  TRINE_RETURN_IF_ERROR(require_float(name, tensor));
  const std::size_t length = stored.tensor_rows == 0 ? spec.size : stored.tensor_rows;
  TRINE_RETURN_IF_ERROR(require_shape(name, tensor, expected_shape(stored, length, {})));
  const auto plane = plane_of(tensor, stored);
  // A vector is a matrix of one column.
  const auto reader = make_strided_reader(
      {tensor.dtype, plane, 1, length, stored.first_row, stored.row_step, false});
  std::vector<float> values(spec.size);
  reader->read_rows(0, spec.size, values.data());
  return values;
}

std::vector<std::string> tensors_of(const MatrixSpec& spec) {
  std::vector<std::string> names = {tensor_of(spec)};
  if (!spec.stored.scales.empty()) names.push_back(spec.stored.scales);
  return names;
}

}  // namespace trine::models
