#include "api/output_file.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/temporary_directory.h"

namespace trine::api {
namespace {

using testing_support::expect_error;

TEST(OutputFile, WhatCannotBeWrittenIsSaidBeforeTheWork) {
  const testing_support::TemporaryDirectory directory;
  const std::string folder = directory.path().string();
  expect_error(check_output_file("", "the report"), ErrorCode::kInvalidArgument,
               {"no file to write the report to"});
  expect_error(check_output_file(folder, "the report"), ErrorCode::kInvalidArgument,
               {folder, "is a directory"});
  expect_error(check_output_file(folder + "/missing/page.html", "the report"),
               ErrorCode::kNotFound, {"missing/page.html", "its directory does not exist"});
}

TEST(OutputFile, NewAndOldFilesAndNamesWithoutADirectoryPass) {
  const testing_support::TemporaryDirectory directory;
  EXPECT_TRUE(check_output_file((directory.path() / "new.html").string(), "the report"));
  testing_support::write_file(directory.path() / "old.html", "old");
  EXPECT_TRUE(check_output_file((directory.path() / "old.html").string(), "the report"));
  EXPECT_TRUE(check_output_file("page.html", "the report"));
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "new.html"));
}

}  // namespace
}  // namespace trine::api
