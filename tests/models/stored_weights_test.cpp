// Where a spec says a weight lies, and what is refused when the tensor there does not fit.
#include "models/stored_weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "support/expect_error.h"
#include "support/memory_weights.h"

namespace trine::models {
namespace {

using testing_support::decode;
using testing_support::encode;
using testing_support::expect_error;
using testing_support::sentence;

/// Tensors by name; number i of one is i.
class Tensors {
 public:
  void set(const std::string& name, DType dtype, std::vector<std::size_t> shape) {
    TensorView& tensor = tensors_[name];
    tensor = {dtype, std::move(shape), {}};
    std::vector<float> values(tensor.num_elements());
    std::iota(values.begin(), values.end(), 0.0f);
    auto& bytes = bytes_[name];
    bytes = encode(dtype, values);
    if (bytes.empty()) bytes.resize(values.size() * bits_of(dtype) / 8, 0x38);
    tensor.bytes = bytes;
  }
  [[nodiscard]] TensorLookup lookup() const {
    return [this](const std::string& name) -> Result<TensorView> {
      const auto found = tensors_.find(name);
      if (found == tensors_.end()) return fail(ErrorCode::kNotFound, "no tensor {}", name);
      return found->second;
    };
  }
  [[nodiscard]] Result<WeightView> matrix(const MatrixSpec& spec) const {
    return stored_matrix(spec, lookup());
  }

 private:
  std::map<std::string, TensorView> tensors_{};
  std::map<std::string, std::vector<std::uint8_t>> bytes_{};
};

/// All numbers of a matrix, however it is given.
std::vector<float> numbers(const WeightView& view, const MatrixSpec& spec) {
  if (const auto* tensor = std::get_if<TensorView>(&view)) {
    EXPECT_EQ(tensor->shape, (std::vector<std::size_t>{spec.out_features, spec.in_features}));
    return decode(tensor->dtype, tensor->bytes);
  }
  std::vector<float> values(spec.out_features * spec.in_features);
  std::get<std::shared_ptr<const RowReader>>(view)->read_rows(0, spec.out_features,
                                                              values.data());
  return values;
}

MatrixSpec matrix_of(std::size_t out, std::size_t in, StoredAs stored) {
  return {.name = "w", .out_features = out, .in_features = in, .stored = std::move(stored)};
}

struct StoredMatrixCase {
  const char* name;
  std::vector<std::size_t> shape;
  MatrixSpec spec;
  std::vector<float> expected;
  bool is_in_place;  ///< a view of the file's bytes
};

std::vector<StoredMatrixCase> stored_matrix_cases() {
  return {
      {"Alone", {2, 3}, matrix_of(2, 3, {}), {0, 1, 2, 3, 4, 5}, true},
      {"UnderAnotherName", {2, 3}, matrix_of(2, 3, {.tensor = "w"}), {0, 1, 2, 3, 4, 5}, true},
      {"Plane", {3, 2, 2}, matrix_of(2, 2, {.plane = 1, .num_planes = 3}), {4, 5, 6, 7}, true},
      {"SecondHalfOfAPlane",
       {2, 4, 2},
       matrix_of(2, 2, {.plane = 1, .first_row = 2, .tensor_rows = 4, .num_planes = 2}),
       {12, 13, 14, 15},
       true},
      {"RowsOfOneTensor",
       {4, 2},
       matrix_of(2, 2, {.first_row = 1, .tensor_rows = 4}),
       {2, 3, 4, 5},
       true},
      {"OddRows",
       {2, 4, 2},
       matrix_of(
           2, 2,
           {.plane = 0, .first_row = 1, .row_step = 2, .tensor_rows = 4, .num_planes = 2}),
       {2, 3, 6, 7},
       false},
      {"Transposed",
       {2, 3, 2},
       matrix_of(2, 3, {.plane = 1, .is_transposed = true, .num_planes = 2}),
       {6, 8, 10, 7, 9, 11},
       false},
      {"OddColumns",
       {1, 2, 4},
       matrix_of(2, 2,
                 {.plane = 0,
                  .first_row = 1,
                  .row_step = 2,
                  .tensor_rows = 4,
                  .is_transposed = true,
                  .num_planes = 1}),
       {1, 5, 3, 7},
       false},
  };
}

class StoredMatrixTest : public testing::TestWithParam<StoredMatrixCase> {};

TEST_P(StoredMatrixTest, LiesWhereTheSpecSays) {
  const StoredMatrixCase& tested = GetParam();
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    Tensors tensors;
    tensors.set("w", dtype, tested.shape);
    const auto matrix = tensors.matrix(tested.spec);
    ASSERT_TRUE(matrix.has_value()) << sentence(matrix);
    EXPECT_EQ(std::holds_alternative<TensorView>(*matrix), tested.is_in_place);
    EXPECT_EQ(numbers(*matrix, tested.spec), tested.expected);
  }
}

TEST_P(StoredMatrixTest, NamesATensorOfAnotherShapeOrType) {
  MatrixSpec spec = GetParam().spec;
  spec.stored.tensor = "some.tensor";
  Tensors tensors;
  expect_error(tensors.matrix(spec), ErrorCode::kNotFound, {"some.tensor"});
  for (std::size_t axis = 0; axis < GetParam().shape.size(); ++axis) {
    std::vector<std::size_t> shape = GetParam().shape;
    shape[axis] += 1;
    tensors.set("some.tensor", DType::kBF16, shape);
    expect_error(tensors.matrix(spec), ErrorCode::kMalformed, {"some.tensor", "has shape"});
  }
  for (const DType dtype : {DType::kU8, DType::kF64, DType::kF8E4M3}) {
    tensors.set("some.tensor", dtype, GetParam().shape);
    expect_error(tensors.matrix(spec), ErrorCode::kUnsupported,
                 {"some.tensor", name_of(dtype), "expected F32, F16 or BF16"});
  }
}

INSTANTIATE_TEST_SUITE_P(Places, StoredMatrixTest, testing::ValuesIn(stored_matrix_cases()),
                         [](const auto& tested) { return std::string(tested.param.name); });

const MatrixSpec kFp8 =
    matrix_of(130, 10, {.encoding = Encoding::kFp8Blocks, .scales = "w_scale_inv"});
const MatrixSpec kMxfp4 = matrix_of(
    3, 64,
    {.plane = 1, .encoding = Encoding::kMxfp4, .scales = "w_exponents", .num_planes = 2});

TEST(StoredFp8, IsTheCodesTimesTheirFactors) {
  Tensors tensors;
  tensors.set("w", DType::kF8E4M3, {130, 10});  // every code is 1
  expect_error(tensors.matrix(kFp8), ErrorCode::kNotFound, {"w_scale_inv"});
  tensors.set("w_scale_inv", DType::kF32, {2, 1});
  const auto values = numbers(tensors.matrix(kFp8).value(), kFp8);
  EXPECT_EQ(std::count(values.begin(), values.begin() + 1280, 0.0f), 1280);
  EXPECT_EQ(std::count(values.begin() + 1280, values.end(), 1.0f), 20);
  tensors.set("w_scale_inv", DType::kF32, {1, 1});
  expect_error(tensors.matrix(kFp8), ErrorCode::kMalformed,
               {"w_scale_inv", "[1, 1]", "[2, 1]"});
  tensors.set("w_scale_inv", DType::kBF16, {2, 1});
  expect_error(tensors.matrix(kFp8), ErrorCode::kUnsupported, {"w_scale_inv", "BF16", "F32"});
  tensors.set("w", DType::kF8E4M3, {130, 11});
  expect_error(tensors.matrix(kFp8), ErrorCode::kMalformed, {"\"w\"", "[130, 11]"});
  EXPECT_EQ(tensors_of(kFp8), (std::vector<std::string>{"w", "w_scale_inv"}));
}

TEST(StoredFp8, MayBeLeftUnencoded) {
  Tensors tensors;
  tensors.set("w", DType::kBF16, {130, 10});
  EXPECT_TRUE(std::holds_alternative<TensorView>(tensors.matrix(kFp8).value()));
}

TEST(StoredMxfp4, IsNibblesAndExponentsOfOnePlane) {
  Tensors tensors;
  tensors.set("w", DType::kU8, {2, 3, 2, 16});
  expect_error(tensors.matrix(kMxfp4), ErrorCode::kNotFound, {"w_exponents"});
  tensors.set("w_exponents", DType::kU8, {2, 3, 2});  // 0x38 everywhere, as the nibbles
  const auto values = numbers(tensors.matrix(kMxfp4).value(), kMxfp4);
  EXPECT_EQ(std::count(values.begin(), values.end(), 1.5f * 0x1p-71f),
            96);  // 0x38 − 127, nibble 3
  tensors.set("w_exponents", DType::kU8, {2, 3, 3});
  expect_error(tensors.matrix(kMxfp4), ErrorCode::kMalformed,
               {"w_exponents", "[2, 3, 3]", "[2, 3, 2]"});
  tensors.set("w_exponents", DType::kF32, {2, 3, 2});
  expect_error(tensors.matrix(kMxfp4), ErrorCode::kUnsupported, {"w_exponents", "F32", "U8"});
  tensors.set("w_exponents", DType::kU8, {2, 3, 2});
  tensors.set("w", DType::kU8, {2, 3, 2, 8});
  expect_error(tensors.matrix(kMxfp4), ErrorCode::kMalformed,
               {"\"w\"", "[2, 3, 2, 8]", "[2, 3, 2, 16]"});
  tensors.set("w", DType::kBF16, {2, 3, 2, 16});
  expect_error(tensors.matrix(kMxfp4), ErrorCode::kUnsupported, {"\"w\"", "BF16", "U8"});
}

TEST(StoredVector, IsWidenedFromItsPlace) {
  const VectorSpec alone{.name = "v", .size = 3};
  const VectorSpec odd{.name = "up.bias",
                       .size = 2,
                       .stored = {.tensor = "v",
                                  .plane = 1,
                                  .first_row = 1,
                                  .row_step = 2,
                                  .tensor_rows = 4,
                                  .num_planes = 2}};
  Tensors tensors;
  expect_error(stored_vector(alone, tensors.lookup()), ErrorCode::kNotFound, {"v"});
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    tensors.set("v", dtype, {3});
    EXPECT_EQ(stored_vector(alone, tensors.lookup()).value(), (std::vector<float>{0, 1, 2}));
    expect_error(stored_vector(odd, tensors.lookup()), ErrorCode::kMalformed,
                 {"\"v\"", "[3]", "[2, 4]"});
    tensors.set("v", dtype, {2, 4});
    EXPECT_EQ(stored_vector(odd, tensors.lookup()).value(), (std::vector<float>{5, 7}));
  }
  tensors.set("v", DType::kI8, {3});
  expect_error(stored_vector(alone, tensors.lookup()), ErrorCode::kUnsupported,
               {"\"v\"", "I8"});
}

}  // namespace
}  // namespace trine::models
