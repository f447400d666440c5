// What the writer leaves on disk, byte for byte and moment by moment.
#include "packed/packed_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "support/expect_error.h"
#include "support/tiny_packed_model.h"

namespace trine::packed {
namespace {

namespace fs = std::filesystem;
using testing_support::expect_error;
using testing_support::read_file;
using testing_support::sentence;
using testing_support::TemporaryDirectory;
using testing_support::TinyPackedModel;
using testing_support::write_file;

/// Content of every file of a directory, by name.
std::map<std::string, std::string> contents(const fs::path& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(directory)) {
    files[entry.path().filename().string()] = read_file(entry.path());
  }
  return files;
}

class PackedWriterTest : public testing::Test {
 protected:
  [[nodiscard]] fs::path target() const { return directory_.path() / "packed"; }
  [[nodiscard]] bool is_empty() const { return fs::is_empty(directory_.path()); }

  TemporaryDirectory directory_;
  TinyPackedModel model_;
};

TEST_F(PackedWriterTest, WritesOneShardIndexManifestAndConfig) {
  const auto status = model_.write(target());
  ASSERT_TRUE(status.has_value()) << sentence(status);
  std::set<std::string> names;
  for (const auto& [name, content] : contents(target())) names.insert(name);
  EXPECT_EQ(names, (std::set<std::string>{"config.json", "model-00001-of-00001.safetensors",
                                          "model.safetensors.index.json", "trine.json"}));
  auto config = base::read_json_file(target() / "config.json");
  ASSERT_TRUE(config.has_value()) << sentence(config);
  EXPECT_EQ(config->at("quantization_config"),
            (base::Json{{"quant_method", "trine"}, {"format_version", 2}}));
  config->erase("quantization_config");
  EXPECT_EQ(*config, model_.config);

  const auto file = base::SafetensorsFile::open(target() / "model-00001-of-00001.safetensors");
  ASSERT_TRUE(file.has_value()) << sentence(file);
  EXPECT_EQ(file->metadata(),
            (std::map<std::string, std::string>{{"format", "pt"}, {"trine_format", "2"}}));
  std::uint64_t total = 0;
  for (const auto& [name, bytes] : model_.bytes) {
    ASSERT_NE(file->find(name), nullptr) << name;
    const auto stored = file->bytes(*file->find(name));
    EXPECT_TRUE(std::equal(stored.begin(), stored.end(), bytes.begin(), bytes.end())) << name;
    EXPECT_EQ(model_.manifest.checksums.at(name), base::to_hex(base::xxh3(bytes)));
    total += bytes.size();
  }
  EXPECT_EQ(model_.manifest.totals.stored_bytes, total);
  const auto index = base::read_json_file(target() / "model.safetensors.index.json");
  EXPECT_EQ(index.value().at("metadata").at("total_size"), total);
  EXPECT_EQ(index.value().at("weight_map").size(), model_.bytes.size());
}

TEST_F(PackedWriterTest, KeepsShardsSmallAndPackedTensorsAligned) {
  constexpr std::uint64_t kMost = 4000;
  ASSERT_TRUE(model_.write(target(), kMost).has_value());
  std::size_t num_shards = 0, num_tensors = 0;
  for (const auto& [name, content] : contents(target())) {
    if (!name.ends_with(".safetensors")) continue;
    ++num_shards;
    const auto file = base::SafetensorsFile::open(target() / name);
    ASSERT_TRUE(file.has_value()) << sentence(file);
    EXPECT_TRUE(file->data().size() <= kMost || file->tensors().size() == 1) << name;
    num_tensors += file->tensors().size();
    for (const auto& entry : file->tensors()) {
      const bool is_packed = entry.name.ends_with(".packed") || entry.name.ends_with(".left") ||
                             entry.name.ends_with(".right");
      if (!is_packed) continue;
      const auto place = file->bytes(entry).data() - file->file().bytes().data();
      EXPECT_EQ(place % 64, 0) << name << " " << entry.name;
    }
  }
  EXPECT_EQ(num_tensors, model_.tensors.size());
  EXPECT_GT(num_shards, 3u);
  // Names count from 1 and know how many there are.
  const std::string last = fmt::format("model-{0:05}-of-{0:05}.safetensors", num_shards);
  EXPECT_TRUE(fs::exists(target() / last)) << last;
}

TEST_F(PackedWriterTest, GivesATensorAboveTheLimitAShardOfItsOwn) {
  ASSERT_TRUE(model_.write(target(), 1).has_value());
  std::size_t num_shards = 0;
  for (const auto& [name, content] : contents(target())) {
    num_shards += name.ends_with(".safetensors") ? 1 : 0;
  }
  EXPECT_EQ(num_shards, model_.tensors.size());
}

TEST_F(PackedWriterTest, WritesTheSameBytesAgain) {
  ASSERT_TRUE(model_.write(target(), 4000).has_value());
  TinyPackedModel again;
  ASSERT_TRUE(again.write(directory_.path() / "again", 4000).has_value());
  EXPECT_EQ(contents(target()), contents(directory_.path() / "again"));
}

TEST_F(PackedWriterTest, ShowsNothingBeforeFinish) {
  auto writer = PackedWriter::create(target(), model_.tensors);
  ASSERT_TRUE(writer.has_value()) << sentence(writer);
  for (const auto& tensor : model_.tensors) {
    EXPECT_FALSE(fs::exists(target()));
    ASSERT_TRUE(writer->append(model_.bytes.at(tensor.name)).has_value());
  }
  EXPECT_FALSE(fs::exists(target()));
  ASSERT_TRUE(writer->finish(model_.config, model_.manifest).has_value());
  EXPECT_TRUE(fs::exists(target()));
  EXPECT_EQ(std::distance(fs::directory_iterator(directory_.path()), {}), 1);
}

TEST_F(PackedWriterTest, LeavesNothingWhenItIsGivenUp) {
  {
    auto writer = PackedWriter::create(target(), model_.tensors, 4000);
    ASSERT_TRUE(writer.has_value());
    for (std::size_t i = 0; i < 10; ++i) {
      ASSERT_TRUE(writer->append(model_.bytes.at(model_.tensors[i].name)).has_value());
    }
    EXPECT_FALSE(is_empty());
  }
  EXPECT_TRUE(is_empty());
}

TEST_F(PackedWriterTest, ReplacesTheLeftOversOfARunThatDied) {
  fs::create_directory(directory_.path() / "packed.partial");
  write_file(directory_.path() / "packed.partial" / "junk", "x");
  ASSERT_TRUE(model_.write(target()).has_value());
  EXPECT_FALSE(fs::exists(target() / "junk"));
  EXPECT_FALSE(fs::exists(directory_.path() / "packed.partial"));
}

TEST_F(PackedWriterTest, RefusesToOverwrite) {
  fs::create_directory(target());
  expect_error(model_.write(target()), ErrorCode::kInvalidArgument,
               {target().string(), "exists already"});
  EXPECT_TRUE(fs::is_empty(target()));
  fs::remove(target());
  write_file(target(), "a file");
  expect_error(model_.write(target()), ErrorCode::kInvalidArgument, {"exists already"});
  EXPECT_EQ(read_file(target()), "a file");
}

TEST_F(PackedWriterTest, CopiesCompanionsUnchanged) {
  const std::string content("{\"a\":1}\r\n\0\xFF tail", 17);
  write_file(directory_.path() / "tokenizer.json", content);
  auto writer = PackedWriter::create(target(), model_.tensors);
  ASSERT_TRUE(writer.has_value());
  ASSERT_TRUE(writer->copy_companion(directory_.path() / "tokenizer.json").has_value());
  expect_error(writer->copy_companion(directory_.path() / "none.json"), ErrorCode::kNotFound,
               {"none.json"});
  for (const auto& tensor : model_.tensors) {
    ASSERT_TRUE(writer->append(model_.bytes.at(tensor.name)).has_value());
  }
  ASSERT_TRUE(writer->finish(model_.config, model_.manifest).has_value());
  EXPECT_EQ(read_file(target() / "tokenizer.json"), content);
}

TEST_F(PackedWriterTest, TakesBrokenCallsForBugs) {
  auto writer = PackedWriter::create(target(), model_.tensors);
  ASSERT_TRUE(writer.has_value());
  const std::vector<std::uint8_t> wrong_size(3);
  EXPECT_THROW(static_cast<void>(writer->append(wrong_size)), InvariantError);
  EXPECT_THROW(static_cast<void>(writer->finish(model_.config, model_.manifest)),
               InvariantError);
}

}  // namespace
}  // namespace trine::packed
