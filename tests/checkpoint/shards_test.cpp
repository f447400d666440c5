// Sharded checkpoints: an index and its files must say the same.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/safetensors_shards.h"
#include "checkpoint/checkpoint.h"
#include "support/expect_error.h"
#include "support/tiny_checkpoint.h"

namespace trine::checkpoint {
namespace {

namespace fs = std::filesystem;
using base::Json;
using testing_support::expect_error;
using testing_support::kTinyQProj;
using testing_support::plan_bytes;
using testing_support::plan_of;
using testing_support::read_file;
using testing_support::sentence;
using testing_support::TemporaryDirectory;
using testing_support::tiny_config;
using testing_support::write_file;
using testing_support::write_weights;

constexpr const char* kFirst = "model-00001-of-00002.safetensors";
constexpr const char* kSecond = "model-00002-of-00002.safetensors";

/// The tiny checkpoint in two files: even tensors in the first, odd ones in the second.
class ShardsTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto plan = plan_of(tiny_config());
    for (std::size_t i = 0; i < plan.size(); ++i) {
      (i % 2 == 0 ? first_ : second_).push_back(plan[i]);
      index_["weight_map"][plan[i].name] = i % 2 == 0 ? kFirst : kSecond;
    }
    index_["metadata"]["total_size"] = plan_bytes(plan);
    write_file(path("config.json"), tiny_config().dump());
  }
  [[nodiscard]] fs::path path(const char* name) const { return directory_.path() / name; }
  /// Writes files and index as they are by now, and opens.
  [[nodiscard]] Result<Checkpoint> open() const {
    write_weights(path(kFirst), first_);
    write_weights(path(kSecond), second_);
    write_file(path("model.safetensors.index.json"), index_.dump());
    return Checkpoint::open(directory_.path());
  }

  TemporaryDirectory directory_;
  std::vector<base::TensorPlan> first_;
  std::vector<base::TensorPlan> second_;
  Json index_ = Json::object();
};

TEST_F(ShardsTest, OpenAsOneCheckpoint) {
  const auto checkpoint = open();
  ASSERT_TRUE(checkpoint.has_value()) << sentence(checkpoint);
  const auto plan = plan_of(tiny_config());
  EXPECT_EQ(checkpoint->tensors().size(), plan.size());
  EXPECT_EQ(checkpoint->total_weight_bytes(), plan_bytes(plan));
  for (const auto& tensor : checkpoint->tensors()) {
    EXPECT_EQ(tensor.view.bytes[3], (3 + tensor.name.size()) % 64) << tensor.name;
    checkpoint->release(tensor.name);
    EXPECT_EQ(tensor.view.bytes[3], (3 + tensor.name.size()) % 64) << tensor.name;
  }
}

TEST_F(ShardsTest, GiveTheSameTensorsAsASingleFile) {
  const auto sharded = open();
  const TemporaryDirectory single_directory;
  testing_support::write_tiny_checkpoint(single_directory.path());
  const auto single = Checkpoint::open(single_directory.path());
  ASSERT_TRUE(sharded.has_value() && single.has_value());
  ASSERT_EQ(sharded->tensors().size(), single->tensors().size());
  for (std::size_t i = 0; i < single->tensors().size(); ++i) {
    EXPECT_EQ(sharded->tensors()[i].name, single->tensors()[i].name);
  }
}

TEST_F(ShardsTest, NeedNoMetadata) {
  index_.erase("metadata");
  EXPECT_TRUE(open().has_value());
  index_["metadata"] = Json::object();
  EXPECT_TRUE(open().has_value());
}

TEST_F(ShardsTest, MustAddUpToTotalSize) {
  const auto total = index_["metadata"]["total_size"].get<std::size_t>();
  index_["metadata"]["total_size"] = total + 1;
  expect_error(open(), ErrorCode::kMalformed,
               {"index.json", "total_size", std::to_string(total), std::to_string(total + 1)});
  index_["metadata"]["total_size"] = static_cast<double>(total);
  EXPECT_TRUE(open().has_value());
  index_["metadata"]["total_size"] = "big";
  expect_error(open(), ErrorCode::kMalformed, {"total_size", "a number"});
}

TEST_F(ShardsTest, MustAllExist) {
  write_weights(path(kFirst), first_);
  write_file(path("model.safetensors.index.json"), index_.dump());
  expect_error(Checkpoint::open(directory_.path()), ErrorCode::kNotFound, {kSecond});
}

TEST_F(ShardsTest, MustHoldEveryMappedTensor) {
  second_.pop_back();
  expect_error(open(), ErrorCode::kMalformed, {"is mapped to", kSecond, "does not hold it"});
}

TEST_F(ShardsTest, MustHoldNoUnmappedTensor) {
  index_["weight_map"].erase(kTinyQProj);
  expect_error(open(), ErrorCode::kMalformed, {kTinyQProj, kFirst, "not in weight_map"});
}

TEST_F(ShardsTest, MustNotShareATensor) {
  second_.push_back(first_.front());
  expect_error(open(), ErrorCode::kMalformed,
               {first_.front().name, "mapped to model-00001", "lies in model-00002"});
}

TEST_F(ShardsTest, MustLieWhereTheIndexSays) {
  index_["weight_map"][kTinyQProj] = kSecond;
  expect_error(open(), ErrorCode::kMalformed,
               {kTinyQProj, "mapped to model-00002", "lies in model-00001"});
}

TEST_F(ShardsTest, MustHavePlainNames) {
  for (const char* name :
       {"../model.safetensors", "/etc/model.safetensors", "a/b.safetensors", "model.bin", "",
        "..safetensors", "a\\b.safetensors", "model.safetensors.index.json"}) {
    index_["weight_map"][kTinyQProj] = name;
    expect_error(open(), ErrorCode::kMalformed,
                 {"weight_map", kTinyQProj, "expected a plain file name"});
  }
  index_["weight_map"][kTinyQProj] = 1;
  expect_error(open(), ErrorCode::kMalformed, {kTinyQProj, "mapped to 1", "plain file name"});
}

TEST_F(ShardsTest, NeedAWeightMap) {
  index_.erase("weight_map");
  expect_error(open(), ErrorCode::kMalformed, {"index.json", "weight_map", "missing"});
  index_["weight_map"] = Json::object();
  expect_error(open(), ErrorCode::kMalformed, {"weight_map", "names no tensor"});
  index_["weight_map"] = Json::array();
  expect_error(open(), ErrorCode::kMalformed, {"weight_map", "an object"});
}

TEST_F(ShardsTest, RefuseAnIndexWithATensorTwice) {
  ASSERT_TRUE(open().has_value());
  write_file(path("model.safetensors.index.json"),
             R"({"weight_map": {"a": "m.safetensors", "a": "n.safetensors"}})");
  expect_error(Checkpoint::open(directory_.path()), ErrorCode::kMalformed,
               {"index.json", "duplicate key \"a\""});
}

TEST_F(ShardsTest, DoNotMixWithASingleFile) {
  ASSERT_TRUE(open().has_value());
  write_weights(path("model.safetensors"), plan_of(tiny_config()));
  expect_error(Checkpoint::open(directory_.path()), ErrorCode::kMalformed,
               {"both model.safetensors and model.safetensors.index.json"});
}

TEST_F(ShardsTest, NameTheDamagedFile) {
  ASSERT_TRUE(open().has_value());
  const std::string content = read_file(path(kSecond));
  write_file(path(kSecond), content.substr(0, content.size() - 1));
  expect_error(Checkpoint::open(directory_.path()), ErrorCode::kMalformed, {kSecond});
}

}  // namespace
}  // namespace trine::checkpoint
