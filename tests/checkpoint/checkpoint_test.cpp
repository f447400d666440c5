#include "checkpoint/checkpoint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/finite_check.h"
#include "support/expect_error.h"
#include "support/tiny_checkpoint.h"

namespace trine::checkpoint {
namespace {

namespace fs = std::filesystem;
using testing_support::expect_error;
using testing_support::kTinyQProj;
using testing_support::matrix_named;
using testing_support::plan_bytes;
using testing_support::plan_of;
using testing_support::remove_tensor;
using testing_support::sentence;
using testing_support::TemporaryDirectory;
using testing_support::tensor_named;
using testing_support::tiny_config;
using testing_support::write_file;
using testing_support::write_tiny_checkpoint;
using testing_support::write_weights;

class CheckpointTest : public testing::Test {
 protected:
  void SetUp() override { write_tiny_checkpoint(directory_.path()); }
  /// Replaces the weights by `plan` and opens.
  [[nodiscard]] Result<Checkpoint> open_with(const std::vector<base::TensorPlan>& plan) const {
    write_weights(directory_.path() / "model.safetensors", plan);
    return open();
  }
  [[nodiscard]] Result<Checkpoint> open() const { return Checkpoint::open(directory_.path()); }

  TemporaryDirectory directory_;
};

TEST_F(CheckpointTest, GivesEachTensorItsBytes) {
  auto opened = open();
  ASSERT_TRUE(opened.has_value()) << sentence(opened);
  const Checkpoint checkpoint = std::move(*opened);
  EXPECT_EQ(checkpoint.spec().layers.size(), 2u);
  EXPECT_EQ(checkpoint.config(), tiny_config());
  EXPECT_EQ(checkpoint.directory(), directory_.path());
  EXPECT_TRUE(checkpoint.unused_tensors().empty());
  const auto plan = plan_of(tiny_config());
  EXPECT_EQ(checkpoint.total_weight_bytes(), plan_bytes(plan));
  ASSERT_EQ(checkpoint.tensors().size(), plan.size());
  for (const base::TensorPlan& planned : plan) {
    const StoredTensor* found = nullptr;
    for (const StoredTensor& tensor : checkpoint.tensors()) {
      if (tensor.name == planned.name) found = &tensor;
    }
    ASSERT_NE(found, nullptr) << planned.name;
    const TensorView& view = found->view;
    EXPECT_EQ(view.dtype, planned.dtype);
    EXPECT_EQ(view.shape, planned.shape);
    ASSERT_EQ(view.bytes.size(), 2 * view.num_elements());
    EXPECT_EQ(view.bytes[5], (5 + planned.name.size()) % 64) << planned.name;
  }
}

TEST_F(CheckpointTest, SortsTensorsByName) {
  const auto checkpoint = open();
  ASSERT_TRUE(checkpoint.has_value());
  const auto tensors = checkpoint->tensors();
  EXPECT_TRUE(std::is_sorted(tensors.begin(), tensors.end(),
                             [](const StoredTensor& left, const StoredTensor& right) {
                               return left.name < right.name;
                             }));
}

TEST_F(CheckpointTest, ReadsReleasedTensorsAgain) {
  const auto checkpoint = open();
  ASSERT_TRUE(checkpoint.has_value());
  const auto view = std::get<TensorView>(checkpoint->matrix(matrix_named(kTinyQProj)).value());
  const auto before = view.bytes[9];
  checkpoint->release(matrix_named(kTinyQProj));
  checkpoint->release("no such tensor");
  EXPECT_EQ(view.bytes[9], before);
}

TEST_F(CheckpointTest, NamesATensorThatIsNotThere) {
  const auto checkpoint = open();
  ASSERT_TRUE(checkpoint.has_value());
  expect_error(checkpoint->matrix(matrix_named("lm_head.bias")), ErrorCode::kNotFound,
               {"\"lm_head.bias\""});
}

TEST_F(CheckpointTest, RefusesAMissingTensor) {
  for (const char* name : {kTinyQProj, "model.norm.weight", "lm_head.weight",
                           "model.layers.1.block_sparse_moe.experts.1.w2.weight",
                           "model.layers.1.block_sparse_moe.gate.weight"}) {
    auto plan = plan_of(tiny_config());
    remove_tensor(plan, name);
    expect_error(open_with(plan), ErrorCode::kNotFound, {name, "is missing"});
  }
}

TEST_F(CheckpointTest, RefusesAWrongShape) {
  auto plan = plan_of(tiny_config());
  tensor_named(plan, kTinyQProj).shape = {4, 8};
  expect_error(open_with(plan), ErrorCode::kMalformed,
               {kTinyQProj, "has shape [4, 8]", "asks for [8, 8]"});
  plan = plan_of(tiny_config());
  tensor_named(plan, "model.norm.weight").shape = {8, 1};
  expect_error(open_with(plan), ErrorCode::kMalformed, {"model.norm.weight", "asks for [8]"});
}

TEST_F(CheckpointTest, TakesOnlyFloatingPointWeights) {
  for (const DType dtype : {DType::kF32, DType::kF16}) {
    auto plan = plan_of(tiny_config());
    tensor_named(plan, kTinyQProj).dtype = dtype;
    EXPECT_TRUE(open_with(plan).has_value());
  }
  for (const DType dtype : {DType::kI8, DType::kF8E4M3, DType::kF64}) {
    auto plan = plan_of(tiny_config());
    tensor_named(plan, kTinyQProj).dtype = dtype;
    expect_error(open_with(plan), ErrorCode::kUnsupported,
                 {kTinyQProj, name_of(dtype), "expected F32, F16 or BF16"});
  }
}

TEST_F(CheckpointTest, ListsUnusedTensorsButNotRotaryTables) {
  auto plan = plan_of(tiny_config());
  const std::size_t used_bytes = plan_bytes(plan);
  plan.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", DType::kF32, {1}});
  plan.push_back({"extra.bias", DType::kI32, {3}});
  const auto checkpoint = open_with(plan);
  ASSERT_TRUE(checkpoint.has_value()) << sentence(checkpoint);
  EXPECT_EQ(checkpoint->unused_tensors(), std::vector<std::string>{"extra.bias"});
  EXPECT_EQ(checkpoint->total_weight_bytes(), used_bytes + 12);
}

TEST_F(CheckpointTest, NeedsNoHeadWhenItIsTied) {
  auto config = tiny_config();
  config["tie_word_embeddings"] = true;
  write_file(directory_.path() / "config.json", config.dump());
  auto plan = plan_of(tiny_config());
  const auto with_head = open_with(plan);
  ASSERT_TRUE(with_head.has_value());
  EXPECT_EQ(with_head->unused_tensors(), std::vector<std::string>{"lm_head.weight"});
  remove_tensor(plan, "lm_head.weight");
  EXPECT_TRUE(open_with(plan).has_value());
}

TEST_F(CheckpointTest, RefusesAQuantizedModel) {
  auto config = tiny_config();
  config["quantization_config"] = {{"quant_method", "gptq"}, {"bits", 4}};
  write_file(directory_.path() / "config.json", config.dump());
  expect_error(open(), ErrorCode::kUnsupported,
               {"config.json", "already quantized", "\"gptq\""});
}

TEST_F(CheckpointTest, PassesOnErrorsOfTheConfig) {
  write_file(directory_.path() / "config.json", "[]");
  expect_error(open(), ErrorCode::kMalformed, {"config.json", "not a JSON object"});
  write_file(directory_.path() / "config.json", R"({"model_type": "bert"})");
  expect_error(open(), ErrorCode::kUnsupported, {"config.json", "\"bert\"", "mixtral"});
  fs::remove(directory_.path() / "config.json");
  expect_error(open(), ErrorCode::kNotFound, {"config.json"});
}

TEST_F(CheckpointTest, RefusesADirectoryWithoutWeights) {
  fs::remove(directory_.path() / "model.safetensors");
  expect_error(open(), ErrorCode::kNotFound, {"neither model.safetensors"});
  expect_error(Checkpoint::open(directory_.path() / "absent"), ErrorCode::kNotFound,
               {"absent"});
}

TEST_F(CheckpointTest, RefusesDamagedWeights) {
  write_file(directory_.path() / "model.safetensors", "not a safetensors file");
  expect_error(open(), ErrorCode::kMalformed, {"model.safetensors", "a header of"});
}

TEST(TinyMixtral, OpensAndHasItsParameters) {
  const auto checkpoint = Checkpoint::open("models/tiny-mixtral");
  ASSERT_TRUE(checkpoint.has_value()) << sentence(checkpoint);
  std::size_t parameters = 0;
  for (const StoredTensor& tensor : checkpoint->tensors()) {
    EXPECT_EQ(tensor.view.dtype, DType::kBF16);
    EXPECT_EQ(find_nonfinite(tensor.view), std::nullopt) << tensor.name;
    parameters += tensor.view.num_elements();
  }
  // Head and embedding 2·4096·256; per layer 3·8·512·256 experts, 8·256 router,
  // 2·(256+128)·256 attention, 2·256 norms; one norm at the end.
  EXPECT_EQ(parameters,
            2u * 4096 * 256 +
                4 * (3u * 8 * 512 * 256 + 8 * 256 + 2 * (256 + 128) * 256 + 2 * 256) + 256);
  EXPECT_EQ(parameters, 15'476'992u);
  EXPECT_EQ(checkpoint->total_weight_bytes(), 2 * parameters);
  EXPECT_TRUE(checkpoint->unused_tensors().empty());
}

}  // namespace
}  // namespace trine::checkpoint
