#include "base/safetensors_file.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "support/expect_error.h"
#include "support/raw_safetensors.h"
#include "support/temporary_directory.h"

namespace trine::base {
namespace {

using testing_support::expect_error;
using testing_support::header_length_bytes;
using testing_support::raw_safetensors;
using testing_support::sentence;
using testing_support::TemporaryDirectory;
using testing_support::write_file;

class SafetensorsFileTest : public testing::Test {
 protected:
  [[nodiscard]] Result<SafetensorsFile> open(std::string_view content) const {
    write_file(directory_.path() / "m.safetensors", content);
    return SafetensorsFile::open(directory_.path() / "m.safetensors");
  }

  TemporaryDirectory directory_;
};

constexpr const char* kTwoTensors =
    R"({"b":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},)"
    R"("a":{"dtype":"I16","shape":[2,1],"data_offsets":[3,7]},"__metadata__":{"k":"v"}})";

TEST_F(SafetensorsFileTest, FindsTensorsAndTheirBytes) {
  auto opened = open(raw_safetensors(kTwoTensors, 7));
  ASSERT_TRUE(opened.has_value()) << sentence(opened);
  const SafetensorsFile file = std::move(*opened);
  ASSERT_EQ(file.tensors().size(), 2u);
  EXPECT_EQ(file.tensors()[0].name, "b");
  EXPECT_EQ(file.metadata().at("k"), "v");
  EXPECT_EQ(file.data().size(), 7u);

  const TensorEntry* a = file.find("a");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a, &file.tensors()[1]);
  const auto bytes = file.bytes(*a);
  ASSERT_EQ(bytes.size(), 4u);
  EXPECT_EQ(bytes[0], 3);  // byte i of the data is i
  EXPECT_EQ(bytes[3], 6);
  EXPECT_EQ(file.find("c"), nullptr);
  EXPECT_EQ(file.find(""), nullptr);
}

TEST_F(SafetensorsFileTest, ReadsBytesAgainAfterRelease) {
  const auto file = open(raw_safetensors(kTwoTensors, 7));
  ASSERT_TRUE(file.has_value());
  file->file().release_pages(file->data());
  EXPECT_EQ(file->data()[6], 6);
}

TEST_F(SafetensorsFileTest, OpensAFileWithoutTensors) {
  const auto file = open(raw_safetensors("{}", 0));
  ASSERT_TRUE(file.has_value()) << sentence(file);
  EXPECT_TRUE(file->tensors().empty());
  EXPECT_EQ(file->find("a"), nullptr);
}

TEST_F(SafetensorsFileTest, RefusesAFileTooShortForALength) {
  expect_error(open(""), ErrorCode::kMalformed, {"m.safetensors", "0 bytes long"});
  expect_error(open("1234567"), ErrorCode::kMalformed, {"7 bytes long", "at least the 8"});
}

TEST_F(SafetensorsFileTest, RefusesAHeaderLongerThanTheFile) {
  expect_error(open(header_length_bytes(3) + "{}"), ErrorCode::kMalformed,
               {"a header of 3 bytes", "the file has 2"});
  expect_error(open(header_length_bytes(kMaxSafetensorsHeaderBytes) + "{}"),
               ErrorCode::kMalformed, {"the file has 2"});
}

TEST_F(SafetensorsFileTest, RefusesAHeaderAboveTheCap) {
  expect_error(open(header_length_bytes(kMaxSafetensorsHeaderBytes + 1) + "{}"),
               ErrorCode::kMalformed, {"100000001", "at most 100000000"});
  expect_error(open(header_length_bytes(~0ull) + "{}"), ErrorCode::kMalformed,
               {"18446744073709551615"});
}

TEST_F(SafetensorsFileTest, RefusesAHeaderOfNoBytes) {
  expect_error(open(header_length_bytes(0)), ErrorCode::kMalformed,
               {"does not start with '{'"});
}

TEST_F(SafetensorsFileTest, RefusesATruncatedOrExtendedFile) {
  const std::string good = raw_safetensors(kTwoTensors, 7);
  expect_error(open(good.substr(0, good.size() - 1)), ErrorCode::kMalformed,
               {"\"a\"", "[3, 7]"});
  expect_error(open(good + "x"), ErrorCode::kMalformed, {"8 data bytes follow"});
}

TEST_F(SafetensorsFileTest, TellsAnAbsentFile) {
  expect_error(SafetensorsFile::open(directory_.path() / "absent.safetensors"),
               ErrorCode::kNotFound, {"absent.safetensors"});
}

}  // namespace
}  // namespace trine::base
