// Packed models that must be refused on opening, each with its reason.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "packed/packed_model.h"
#include "support/expect_error.h"
#include "support/tiny_packed_model.h"

namespace trine::packed {
namespace {

namespace fs = std::filesystem;
using base::Json;
using testing_support::edit_json;
using testing_support::expect_error;
using testing_support::kTinyMatrix;
using testing_support::kTinyPacked;
using testing_support::kTinyRouter;
using testing_support::read_file;
using testing_support::sentence;
using testing_support::shard_of;
using testing_support::TemporaryDirectory;
using testing_support::TinyPackedModel;
using testing_support::write_file;

class PackedRefusalTest : public testing::Test {
 protected:
  void write(std::uint64_t max_shard_bytes = 4000) {
    const auto status = model_.write(target(), max_shard_bytes);
    ASSERT_TRUE(status.has_value()) << sentence(status);
  }
  [[nodiscard]] fs::path target() const { return directory_.path() / "packed"; }
  [[nodiscard]] fs::path manifest_path() const { return target() / kManifestFile; }
  [[nodiscard]] Result<PackedModel> open() const { return PackedModel::open(target()); }

  TemporaryDirectory directory_;
  TinyPackedModel model_;
};

TEST_F(PackedRefusalTest, RefusesATruncatedShard) {
  write();
  const fs::path shard = shard_of(target(), kTinyPacked);
  const std::string content = read_file(shard);
  for (const std::size_t length : {content.size() - 1, content.size() / 2, std::size_t{4}}) {
    write_file(shard, content.substr(0, length));
    expect_error(open(), ErrorCode::kMalformed, {shard.filename().string()});
  }
  fs::remove(shard);
  expect_error(open(), ErrorCode::kNotFound, {shard.filename().string()});
}

TEST_F(PackedRefusalTest, RefusesANewerFormat) {
  write();
  edit_json(manifest_path(), [](Json& json) { json["format_version"] = 3; });
  expect_error(open(), ErrorCode::kUnsupported, {"trine.json", "version 3", "update Trine"});
  edit_json(manifest_path(), [](Json& json) { json["format_version"] = 1; });
  ASSERT_TRUE(open().has_value());
  edit_json(target() / "config.json",
            [](Json& json) { json["quantization_config"]["format_version"] = 3; });
  expect_error(open(), ErrorCode::kUnsupported, {"config.json", "version 3", "update Trine"});
}

TEST_F(PackedRefusalTest, RefusesADirectoryWithoutManifest) {
  write();
  fs::remove(manifest_path());
  expect_error(open(), ErrorCode::kNotFound, {"trine.json"});
}

TEST_F(PackedRefusalTest, RefusesAMatrixTheManifestDoesNotKnow) {
  write();
  edit_json(manifest_path(), [](Json& json) { json["matrices"].erase(kTinyMatrix); });
  expect_error(open(), ErrorCode::kNotFound, {kTinyMatrix});
}

TEST_F(PackedRefusalTest, RefusesAMatrixThatIsNotStored) {
  write();
  edit_json(manifest_path(), [](Json& json) {
    json["matrices"]["model.more.weight"] = json["matrices"][kTinyMatrix];
  });
  expect_error(open(), ErrorCode::kNotFound, {"model.more.weight.packed"});
}

TEST_F(PackedRefusalTest, RefusesATensorThatIsMissing) {
  const std::vector<std::string> names = {kTinyRouter, "model.norm.weight", kTinyPacked};
  for (const std::string& name : names) {
    TinyPackedModel without;
    testing_support::remove_tensor(without.tensors, name);
    without.manifest.matrices.erase(name.substr(0, name.find(".packed")));
    const fs::path place = directory_.path() / name;
    ASSERT_TRUE(without.write(place).has_value());
    expect_error(PackedModel::open(place), ErrorCode::kNotFound,
                 {name.substr(0, name.find(".packed"))});
  }
}

TEST_F(PackedRefusalTest, RefusesTensorsAndChecksumsWithoutEachOther) {
  model_.tensors.push_back({"extra", DType::kU8, {3}});
  model_.bytes["extra"] = {1, 2, 3};
  write();
  ASSERT_TRUE(open().has_value());  // more than needed is fine
  edit_json(manifest_path(), [](Json& json) { json["checksums"].erase("extra"); });
  expect_error(open(), ErrorCode::kMalformed, {"extra", "no checksum"});
  edit_json(manifest_path(), [](Json& json) {
    json["checksums"]["extra"] = "00";
    json["checksums"]["ghost"] = "00";
  });
  expect_error(open(), ErrorCode::kNotFound, {"ghost", "not in the weight files"});
}

TEST_F(PackedRefusalTest, RefusesATensorStoredTwice) {
  model_.tensors.push_back({kTinyMatrix, DType::kBF16, {8, 16}});
  model_.bytes[kTinyMatrix].resize(2 * 8 * 16);
  write();
  expect_error(open(), ErrorCode::kMalformed, {kTinyMatrix, "twice"});
}

TEST_F(PackedRefusalTest, RefusesAShapeItsLayoutDoesNotCompute) {
  write();
  edit_json(manifest_path(),
            [](Json& json) { json["matrices"][kTinyMatrix]["in_features"] = 9999; });
  expect_error(open(), ErrorCode::kMalformed, {kTinyPacked, "expected U8"});
  auto& tensor = testing_support::tensor_named(model_.tensors, kTinyPacked);
  tensor.dtype = DType::kI8;
  fs::remove_all(target());
  write();
  expect_error(open(), ErrorCode::kMalformed, {kTinyPacked, "I8", "expected U8"});
}

TEST_F(PackedRefusalTest, RefusesAShapeTheModelDoesNotHave) {
  write();
  // w2 is [8, 16]: in the padded blocks [8, 15] looks the same.
  edit_json(manifest_path(),
            [](Json& json) { json["matrices"][kTinyMatrix]["in_features"] = 15; });
  expect_error(open(), ErrorCode::kMalformed, {kTinyMatrix, "[8, 15]", "[8, 16]"});
  testing_support::tensor_named(model_.tensors, kTinyRouter).shape = {8, 2};
  fs::remove_all(target());
  write();
  expect_error(open(), ErrorCode::kMalformed, {kTinyRouter, "[8, 2]", "[2, 8]"});
}

TEST_F(PackedRefusalTest, RefusesACompensatorWithoutBothFactors) {
  for (const auto& [name, record] : TinyPackedModel().manifest.matrices) {
    if (record.rank == 0) continue;
    for (const std::string& factor : {left_name(name), right_name(name)}) {
      TinyPackedModel without;
      testing_support::remove_tensor(without.tensors, factor);
      const fs::path place = directory_.path() / factor;
      ASSERT_TRUE(without.write(place).has_value());
      expect_error(PackedModel::open(place), ErrorCode::kNotFound, {factor, name});
    }
  }
}

TEST_F(PackedRefusalTest, RefusesFactorsOfAnotherShape) {
  for (const auto& [name, record] : TinyPackedModel().manifest.matrices) {
    if (record.rank == 0) continue;
    for (const std::string& factor : {left_name(name), right_name(name)}) {
      TinyPackedModel spoilt;
      auto& tensor = testing_support::tensor_named(spoilt.tensors, factor);
      std::reverse(tensor.shape.begin(), tensor.shape.end());
      if (tensor.shape.front() == tensor.shape.back()) continue;
      const fs::path place = directory_.path() / factor;
      ASSERT_TRUE(spoilt.write(place).has_value());
      expect_error(PackedModel::open(place), ErrorCode::kMalformed, {factor, "expected"});
    }
  }
}

TEST_F(PackedRefusalTest, RefusesARankTheFactorsDoNotHave) {
  write();
  for (const auto& [name, record] : model_.manifest.matrices) {
    if (record.rank == 0) continue;
    // Another width: all sizes differ.
    const int width = record.factor_bits == 16 ? 8 : 16;
    edit_json(manifest_path(),
              [&](Json& json) { json["matrices"][name]["factor_bits"] = width; });
    expect_error(open(), ErrorCode::kMalformed, {left_name(name), "expected"});
    edit_json(manifest_path(),
              [&](Json& json) { json["matrices"][name]["factor_bits"] = record.factor_bits; });
  }
  EXPECT_TRUE(open().has_value());
}

TEST_F(PackedRefusalTest, RefusesPackedTensorsOutOfLine) {
  // A vector of 16 bytes first shifts every matrix behind it.
  std::rotate(model_.tensors.begin(), model_.tensors.end() - 1, model_.tensors.end());
  ASSERT_FALSE(model_.tensors.front().name.ends_with(".packed"));
  write(kMaxShardBytes);
  expect_error(open(), ErrorCode::kMalformed, {".packed", "multiple of 64"});
}

}  // namespace
}  // namespace trine::packed
