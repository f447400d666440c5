// Models with infinities and NaNs: refused by name, or compressed when that is allowed.
#include <gtest/gtest.h>

#include <string>

#include "compress/compressor.h"
#include "core/finite_check.h"
#include "packed/packed_model.h"
#include "support/expect_error.h"
#include "support/tiny_packed_model.h"

namespace trine::compress {
namespace {

using testing_support::expect_error;
using testing_support::place_in_shard;
using testing_support::read_file;
using testing_support::sentence;
using testing_support::write_file;

constexpr const char* kMatrix = "model.layers.1.self_attn.k_proj.weight";
constexpr const char* kRouter = "model.layers.0.block_sparse_moe.gate.weight";

class Nonfinite : public testing::Test {
 protected:
  void SetUp() override { testing_support::write_tiny_checkpoint(source()); }

  [[nodiscard]] std::filesystem::path source() const { return directory_.path(); }
  [[nodiscard]] std::filesystem::path target() const { return directory_.path() / "packed"; }

  /// Makes element `index` of `tensor` the BF16 number `bits`.
  void put(const std::string& tensor, std::size_t index, std::uint16_t bits) const {
    const auto file = source() / "model.safetensors";
    std::string content = read_file(file);
    const std::size_t place = place_in_shard(file, tensor, 2 * index);
    content.at(place) = static_cast<char>(bits & 0xFF);
    content.at(place + 1) = static_cast<char>(bits >> 8);
    write_file(file, content);
  }

  [[nodiscard]] Result<packed::Manifest> compress_it(bool allow_nonfinite) const {
    TRINE_ASSIGN_OR_RETURN(const auto checkpoint, checkpoint::Checkpoint::open(source()));
    plan::Plan plan;
    for (const MatrixSpec* matrix : compressible_matrices(checkpoint.spec())) {
      plan.matrices[matrix->name] = {.quantizer = "rtn", .bits = 4, .group_size = 32};
    }
    return compress(checkpoint, plan, target(),
                    {.threads = 1, .allow_nonfinite = allow_nonfinite}, {});
  }

  testing_support::TemporaryDirectory directory_;
};

constexpr std::uint16_t kInfinity = 0x7F80;
constexpr std::uint16_t kMinusInfinity = 0xFF80;
constexpr std::uint16_t kNan = 0x7FC0;

TEST_F(Nonfinite, IsRefusedByNameAndTheSentenceSaysHowToAllowIt) {
  put(kMatrix, 5, kNan);
  expect_error(compress_it(false), ErrorCode::kMalformed,
               {kMatrix, "element 5", "not a number", "--allow-nonfinite"});
  put(kMatrix, 5, 0);
  put(kRouter, 3, kInfinity);
  expect_error(compress_it(false), ErrorCode::kMalformed,
               {kRouter, "element 3", "infinite", "--allow-nonfinite"});
  EXPECT_FALSE(std::filesystem::exists(target()));
}

TEST_F(Nonfinite, IsPackedAsZeroAndCopiedElsewhereWhenAllowed) {
  put(kMatrix, 0, kInfinity);
  put(kMatrix, 9, kMinusInfinity);
  put(kMatrix, 31, kNan);
  put(kRouter, 3, kNan);
  const auto manifest = compress_it(true);
  ASSERT_TRUE(manifest.has_value()) << sentence(manifest);
  EXPECT_EQ(manifest->nonfinite,
            (std::map<std::string, std::uint64_t>{{kMatrix, 3}, {kRouter, 1}}));
  EXPECT_EQ(packed::count_nonfinite_weights(*manifest), 4u);

  const auto model = packed::PackedModel::open(target());
  ASSERT_TRUE(model.has_value()) << sentence(model);
  EXPECT_EQ(model->manifest().nonfinite, manifest->nonfinite);
  const Status verified = model->verify({});
  EXPECT_TRUE(verified.has_value()) << sentence(verified);
  const auto router = model->matrix(testing_support::matrix_named(kRouter));
  ASSERT_TRUE(router.has_value()) << sentence(router);
  EXPECT_EQ(find_nonfinite(std::get<TensorView>(*router)), 3u);
}

TEST_F(Nonfinite, GivesTheSamePackedMatrixAsZerosDo) {
  const std::string shard = "model-00001-of-00001.safetensors";
  put(kMatrix, 0, kInfinity);
  put(kMatrix, 9, kNan);
  const auto with_nonfinite = compress_it(true);
  ASSERT_TRUE(with_nonfinite.has_value()) << sentence(with_nonfinite);
  const std::string first = read_file(target() / shard);
  std::filesystem::remove_all(target());
  put(kMatrix, 0, 0);
  put(kMatrix, 9, 0);
  const auto with_zeros = compress_it(true);
  ASSERT_TRUE(with_zeros.has_value()) << sentence(with_zeros);
  EXPECT_EQ(read_file(target() / shard), first);
  EXPECT_EQ(with_zeros->totals.weight_error, with_nonfinite->totals.weight_error);
  EXPECT_TRUE(with_zeros->nonfinite.empty());
}

TEST_F(Nonfinite, ChangesNoByteOfAModelWithoutAny) {
  ASSERT_TRUE(compress_it(false).has_value());
  const std::string refused = read_file(target() / packed::kManifestFile);
  EXPECT_EQ(refused.find("nonfinite"), std::string::npos);
  std::filesystem::remove_all(target());
  ASSERT_TRUE(compress_it(true).has_value());
  EXPECT_EQ(read_file(target() / packed::kManifestFile), refused);
}

TEST_F(Nonfinite, VerifyCountsWhatTheManifestAllows) {
  put(kRouter, 3, kNan);
  ASSERT_TRUE(compress_it(true).has_value());
  const auto verify = [&](const auto& edit) -> Status {
    testing_support::edit_json(target() / packed::kManifestFile, edit);
    TRINE_ASSIGN_OR_RETURN(const auto model, packed::PackedModel::open(target()));
    return model.verify({});
  };
  expect_error(verify([](base::Json& json) { json["nonfinite"][kRouter] = 2; }),
               ErrorCode::kMalformed, {kRouter, "has 1 values", "counts 2"});
  expect_error(verify([](base::Json& json) { json.erase("nonfinite"); }), ErrorCode::kMalformed,
               {kRouter, "element 3", "not a number"});
}

}  // namespace
}  // namespace trine::compress
