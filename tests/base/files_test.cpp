#include "base/files.h"

#include <gtest/gtest.h>

#include <string>

#include "support/expect_error.h"
#include "support/temporary_directory.h"

namespace trine::base {
namespace {

namespace fs = std::filesystem;
using testing_support::expect_error;
using testing_support::read_file;
using testing_support::TemporaryDirectory;
using testing_support::write_file;

TEST(ReadTextFile, ReturnsTheBytesAndHoldsTheLimit) {
  const TemporaryDirectory directory;
  const fs::path path = directory.path() / "five";
  write_file(path, std::string("a\0b\nc", 5));
  EXPECT_EQ(read_text_file(path, 5).value(), std::string("a\0b\nc", 5));
  expect_error(read_text_file(path, 4), ErrorCode::kMalformed,
               {"five", "5 bytes", "at most 4"});
}

TEST(ReadTextFile, ReadsAnEmptyFile) {
  const TemporaryDirectory directory;
  write_file(directory.path() / "empty", "");
  EXPECT_EQ(read_text_file(directory.path() / "empty", 0).value(), "");
}

TEST(AtomicFile, ShowsNothingBeforeCommit) {
  const TemporaryDirectory directory;
  const fs::path path = directory.path() / "new";
  auto file = AtomicFile::create(path);
  ASSERT_TRUE(file.has_value());
  ASSERT_TRUE(file->write("half").has_value());
  EXPECT_FALSE(fs::exists(path));
  ASSERT_TRUE(file->write(" and half").has_value());
  ASSERT_TRUE(file->commit().has_value());
  EXPECT_EQ(read_file(path), "half and half");
  EXPECT_FALSE(fs::exists(directory.path() / "new.partial"));
}

TEST(AtomicFile, StaysForALaterRunWhenKept) {
  const TemporaryDirectory directory;
  auto file = AtomicFile::create(directory.path() / "new");
  ASSERT_TRUE(file.has_value());
  ASSERT_TRUE(file->write("half").has_value());
  file->keep();
  EXPECT_FALSE(fs::exists(directory.path() / "new"));
  EXPECT_EQ(read_file(directory.path() / "new.partial"), "half");
}

TEST(RequireSpace, SaysHowMuchIsMissing) {
  const TemporaryDirectory directory;
  EXPECT_TRUE(require_space(directory.path(), 1).has_value());
  const auto status = require_space(directory.path(), std::uint64_t{1} << 60);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, ErrorCode::kIo);
  EXPECT_NE(status.error().message.find("needs 1152921504606846976 bytes"), std::string::npos);
}

TEST(AtomicFile, KeepsTheOldFileWhenAbandoned) {
  const TemporaryDirectory directory;
  const fs::path path = directory.path() / "kept";
  write_file(path, "old");
  {
    auto file = AtomicFile::create(path);
    ASSERT_TRUE(file.has_value());
    ASSERT_TRUE(file->write("new").has_value());
    EXPECT_EQ(read_file(path), "old");
  }
  EXPECT_EQ(read_file(path), "old");
  EXPECT_FALSE(fs::exists(directory.path() / "kept.partial"));
}

TEST(AtomicFile, ReplacesTheOldFileAndALeftOverPartial) {
  const TemporaryDirectory directory;
  const fs::path path = directory.path() / "replaced";
  write_file(path, "old");
  write_file(directory.path() / "replaced.partial", "a longer left-over of a crash");
  auto file = AtomicFile::create(path);
  ASSERT_TRUE(file.has_value());
  ASSERT_TRUE(file->write("new").has_value());
  ASSERT_TRUE(file->commit().has_value());
  EXPECT_EQ(read_file(path), "new");
}

TEST(AtomicFile, CommitsOnceAfterAMove) {
  const TemporaryDirectory directory;
  const fs::path path = directory.path() / "moved";
  auto created = AtomicFile::create(path);
  ASSERT_TRUE(created.has_value());
  AtomicFile file = std::move(*created);
  ASSERT_TRUE(file.write("text").has_value());
  ASSERT_TRUE(file.commit().has_value());
  EXPECT_EQ(read_file(path), "text");
}

TEST(AtomicFile, NamesAPathItCannotCreate) {
  const TemporaryDirectory directory;
  expect_error(AtomicFile::create(directory.path() / "absent" / "file"), ErrorCode::kIo,
               {"absent/file", "cannot create"});
}

TEST(AtomicFile, ReportsARenameThatFails) {
  const TemporaryDirectory directory;
  const fs::path path = directory.path() / "occupied";
  auto file = AtomicFile::create(path);
  ASSERT_TRUE(file.has_value());
  fs::create_directories(path / "child");
  expect_error(file->commit(), ErrorCode::kIo, {"occupied", "cannot finish"});
}

TEST(SyncDirectory, AcceptsADirectoryOnly) {
  const TemporaryDirectory directory;
  EXPECT_TRUE(sync_directory(directory.path()).has_value());
  write_file(directory.path() / "file", "");
  expect_error(sync_directory(directory.path() / "file"), ErrorCode::kIo, {"cannot sync"});
  expect_error(sync_directory(directory.path() / "absent"), ErrorCode::kIo, {"cannot sync"});
}

}  // namespace
}  // namespace trine::base
