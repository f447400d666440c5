#include "base/safetensors_writer.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/safetensors_file.h"
#include "support/expect_error.h"
#include "support/temporary_directory.h"

namespace trine::base {
namespace {

namespace fs = std::filesystem;
using testing_support::expect_error;
using testing_support::read_file;
using testing_support::sentence;
using testing_support::TemporaryDirectory;
using testing_support::write_file;

using Metadata = std::map<std::string, std::string>;

std::vector<std::uint8_t> counting(std::size_t count, std::uint8_t start) {
  std::vector<std::uint8_t> bytes(count);
  for (std::uint8_t& byte : bytes) byte = start++;
  return bytes;
}

class SafetensorsWriterTest : public testing::Test {
 protected:
  TemporaryDirectory directory_;
  fs::path path_ = directory_.path() / "out.safetensors";
};

TEST_F(SafetensorsWriterTest, WritesWhatTheReaderReads) {
  const std::vector<TensorPlan> plan = {{"z", DType::kF16, {2, 3}},
                                        {"nothing", DType::kF32, {0, 5}},
                                        {"a \"quoted\" é", DType::kU8, {3}},
                                        {"scalar", DType::kI64, {}}};
  auto writer = SafetensorsWriter::create(path_, plan, {{"format", "pt"}, {"a", "x\ny"}});
  ASSERT_TRUE(writer.has_value()) << sentence(writer);
  ASSERT_TRUE(writer->append(counting(5, 10)).has_value());  // a tensor in two pieces
  ASSERT_TRUE(writer->append({}).has_value());
  ASSERT_TRUE(writer->append(counting(7, 15)).has_value());
  ASSERT_TRUE(writer->append(counting(3, 50)).has_value());
  ASSERT_TRUE(writer->append(counting(8, 90)).has_value());
  ASSERT_TRUE(writer->finish().has_value());

  const auto file = SafetensorsFile::open(path_);
  ASSERT_TRUE(file.has_value()) << sentence(file);
  EXPECT_EQ(file->metadata(), (Metadata{{"a", "x\ny"}, {"format", "pt"}}));
  ASSERT_EQ(file->tensors().size(), 4u);
  for (const TensorPlan& planned : plan) {
    const TensorEntry* entry = file->find(planned.name);
    ASSERT_NE(entry, nullptr) << planned.name;
    EXPECT_EQ(entry->dtype, planned.dtype);
    EXPECT_EQ(entry->shape, planned.shape);
  }
  const auto z = file->bytes(*file->find("z"));
  EXPECT_EQ(std::vector<std::uint8_t>(z.begin(), z.end()), counting(12, 10));
  EXPECT_EQ(file->bytes(*file->find("scalar"))[7], 97);
}

TEST_F(SafetensorsWriterTest, WritesThisExactText) {
  auto writer = SafetensorsWriter::create(
      path_, {{"b", DType::kU8, {2}}, {"a", DType::kU8, {1}}}, {{"format", "pt"}});
  ASSERT_TRUE(writer.has_value());
  ASSERT_TRUE(writer->append(counting(2, 1)).has_value());
  ASSERT_TRUE(writer->append(counting(1, 3)).has_value());
  ASSERT_TRUE(writer->finish().has_value());
  const std::string text = R"({"__metadata__":{"format":"pt"},)"
                           R"("b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                           R"("a":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})";
  const std::size_t padded = 192 - 8;  // the next multiple of 64, less the length field
  std::string expected(1, static_cast<char>(padded));
  expected += std::string(7, '\0') + text + std::string(padded - text.size(), ' ') + "\1\2\3";
  EXPECT_EQ(read_file(path_), expected);
}

TEST_F(SafetensorsWriterTest, StartsTheDataAlignedForEveryHeaderLength) {
  for (std::size_t length = 1; length <= 130; ++length) {
    auto writer =
        SafetensorsWriter::create(path_, {{std::string(length, 'n'), DType::kU8, {64}}}, {});
    ASSERT_TRUE(writer.has_value());
    ASSERT_TRUE(writer->append(counting(64, 0)).has_value());
    ASSERT_TRUE(writer->finish().has_value());
    const auto file = SafetensorsFile::open(path_);
    ASSERT_TRUE(file.has_value()) << sentence(file);
    const auto start = file->data().data() - file->file().bytes().data();
    EXPECT_EQ(start % 64, 0) << length;
    EXPECT_LE(start, 8 + 70 + static_cast<std::ptrdiff_t>(length) + 63)
        << "more padding than needed";
  }
}

TEST_F(SafetensorsWriterTest, WritesAFileWithoutTensors) {
  auto writer = SafetensorsWriter::create(path_, {}, {});
  ASSERT_TRUE(writer.has_value());
  ASSERT_TRUE(writer->finish().has_value());
  EXPECT_TRUE(SafetensorsFile::open(path_).has_value());
}

TEST_F(SafetensorsWriterTest, KeepsTheOldFileUntilFinish) {
  write_file(path_, "old");
  {
    auto writer = SafetensorsWriter::create(path_, {{"t", DType::kU8, {4}}}, {});
    ASSERT_TRUE(writer.has_value());
    ASSERT_TRUE(writer->append(counting(4, 0)).has_value());
  }
  EXPECT_EQ(read_file(path_), "old");
  EXPECT_FALSE(fs::exists(path_.string() + ".partial"));
}

TEST_F(SafetensorsWriterTest, NamesTheTensorWhoseSizeIsWrong) {
  auto writer = SafetensorsWriter::create(
      path_, {{"first", DType::kU8, {4}}, {"second", DType::kU8, {4}}}, {});
  ASSERT_TRUE(writer.has_value());
  ASSERT_TRUE(writer->append(counting(3, 0)).has_value());
  expect_error(writer->append(counting(4, 0)), ErrorCode::kInvalidArgument,
               {"\"first\"", "takes 4 bytes", "3 are written", "4 more"});
  expect_error(writer->finish(), ErrorCode::kInvalidArgument, {"\"first\"", "only 3"});
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(SafetensorsWriterTest, RefusesBytesAfterTheLastTensor) {
  auto writer = SafetensorsWriter::create(path_, {{"t", DType::kU8, {1}}}, {});
  ASSERT_TRUE(writer.has_value());
  ASSERT_TRUE(writer->append(counting(1, 0)).has_value());
  expect_error(writer->append(counting(1, 0)), ErrorCode::kInvalidArgument,
               {"after the last tensor"});
}

TEST_F(SafetensorsWriterTest, RefusesAPlanNoReaderAccepts) {
  const auto refused = [&](std::vector<TensorPlan> plan, Metadata metadata,
                           std::initializer_list<std::string_view> words) {
    expect_error(SafetensorsWriter::create(path_, plan, metadata), ErrorCode::kInvalidArgument,
                 words);
  };
  constexpr std::size_t kHuge = std::size_t{1} << 60;
  refused({{"t", DType::kU8, {1}}, {"t", DType::kU8, {1}}}, {}, {"\"t\" appears twice"});
  refused({{"", DType::kU8, {1}}}, {}, {"name of 0 bytes"});
  refused({{"__metadata__", DType::kU8, {1}}}, {}, {"__metadata__"});
  refused({{"t\n", DType::kU8, {1}}}, {}, {"control characters"});
  refused({{"t\xFF", DType::kU8, {1}}}, {}, {"not UTF-8"});
  refused({{"t", DType::kU8, {1}}}, {{"k", "\xFF"}}, {"not valid UTF-8"});
  refused({{"t", DType::kF32, {kHuge, 2}}}, {}, {"overflows"});
  refused({{"t", DType::kF4, {3}}}, {}, {"whole bytes"});
  refused({{"t", DType::kU8, std::vector<std::size_t>(17, 1)}}, {}, {"17 dimensions"});
  const TensorPlan exbibyte{"a", DType::kU8, {kHuge}};
  std::vector<TensorPlan> sixteen_exbibytes(16, exbibyte);
  for (std::size_t i = 0; i < 16; ++i) sixteen_exbibytes[i].name += std::to_string(i);
  refused(sixteen_exbibytes, {}, {"\"a15\"", "sum of all sizes"});
  EXPECT_TRUE(fs::is_empty(directory_.path()));
}

TEST_F(SafetensorsWriterTest, NamesAPathItCannotCreate) {
  expect_error(SafetensorsWriter::create(directory_.path() / "absent" / "f", {}, {}),
               ErrorCode::kIo, {"absent/f"});
}

}  // namespace
}  // namespace trine::base
