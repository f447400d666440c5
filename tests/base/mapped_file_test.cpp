#include "base/mapped_file.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "support/expect_error.h"
#include "support/temporary_directory.h"

namespace trine::base {
namespace {

using testing_support::expect_error;
using testing_support::TemporaryDirectory;
using testing_support::write_file;

std::string text_of(const MappedFile& file) {
  return {file.bytes().begin(), file.bytes().end()};
}

TEST(MappedFile, ShowsTheBytes) {
  const TemporaryDirectory directory;
  write_file(directory.path() / "file", "some bytes");
  const auto file = MappedFile::open(directory.path() / "file");
  ASSERT_TRUE(file.has_value());
  EXPECT_EQ(text_of(*file), "some bytes");
}

/// The flags in /proc/self/smaps of the mapping that begins at `address`.
std::string flags_of_mapping(const void* address) {
  std::ifstream file("/proc/self/smaps");
  const std::string begin = fmt::format("{:x}-", reinterpret_cast<std::uintptr_t>(address));
  bool is_ours = false;
  for (std::string line; std::getline(file, line);) {
    if (line.find('-') < line.find(' ')) is_ours = line.starts_with(begin);
    if (is_ours && line.starts_with("VmFlags:")) return line;
  }
  return "no such mapping";
}

/// The flag "hg" is there where the kernel has large pages to give, and nowhere else.
TEST(MappedFile, AsksForLargePages) {
  const TemporaryDirectory directory;
  write_file(directory.path() / "large", std::string(std::size_t{3} << 20, 'x'));
  const auto file = MappedFile::open(directory.path() / "large");
  ASSERT_TRUE(file.has_value());
  const std::string flags = flags_of_mapping(file->bytes().data());
  EXPECT_TRUE(flags.starts_with("VmFlags:")) << flags;
  EXPECT_EQ(flags.find(" hg") != std::string::npos,
            std::filesystem::exists("/sys/kernel/mm/transparent_hugepage"))
      << flags;
}

TEST(MappedFile, MapsAnEmptyFileAsAnEmptySpan) {
  const TemporaryDirectory directory;
  write_file(directory.path() / "empty", "");
  const auto file = MappedFile::open(directory.path() / "empty");
  ASSERT_TRUE(file.has_value());
  EXPECT_TRUE(file->bytes().empty());
}

TEST(MappedFile, TellsAbsentFromUnusable) {
  const TemporaryDirectory directory;
  expect_error(MappedFile::open(directory.path() / "absent"), ErrorCode::kNotFound, {"absent"});
  expect_error(MappedFile::open(directory.path()), ErrorCode::kIo, {"not a regular file"});
}

TEST(MappedFile, MovesWithoutMovingTheBytes) {
  const TemporaryDirectory directory;
  write_file(directory.path() / "one", "one");
  write_file(directory.path() / "two", "two");
  auto one = MappedFile::open(directory.path() / "one");
  auto two = MappedFile::open(directory.path() / "two");
  ASSERT_TRUE(one.has_value() && two.has_value());
  const auto* where = one->bytes().data();
  MappedFile moved = std::move(*one);
  EXPECT_EQ(moved.bytes().data(), where);
  moved = std::move(*two);
  EXPECT_EQ(text_of(moved), "two");
}

TEST(MappedFile, ReadsReleasedPagesAgain) {
  const TemporaryDirectory directory;
  const std::string content(100'000, 'x');
  write_file(directory.path() / "file", content);
  const auto file = MappedFile::open(directory.path() / "file");
  ASSERT_TRUE(file.has_value());
  EXPECT_EQ(text_of(*file), content);
  file->release_pages(file->bytes().subspan(10, 90'000));
  file->release_pages(file->bytes().subspan(5, 3));  // less than a page: nothing to release
  file->release_pages({});
  EXPECT_EQ(text_of(*file), content);
}

TEST(MappedFile, KeepsTheOldContentWhenTheFileIsReplaced) {
  const TemporaryDirectory directory;
  write_file(directory.path() / "file", "old");
  write_file(directory.path() / "other", "new");
  const auto file = MappedFile::open(directory.path() / "file");
  ASSERT_TRUE(file.has_value());
  std::filesystem::rename(directory.path() / "other", directory.path() / "file");
  EXPECT_EQ(text_of(*file), "old");
}

}  // namespace
}  // namespace trine::base
