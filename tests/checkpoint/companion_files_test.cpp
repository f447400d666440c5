#include "checkpoint/companion_files.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "support/expect_error.h"
#include "support/temporary_directory.h"

namespace trine::checkpoint {
namespace {

namespace fs = std::filesystem;
using testing_support::expect_error;
using testing_support::TemporaryDirectory;
using testing_support::write_file;

TEST(CompanionFiles, AreAllFilesButWeightsConfigAndHiddenOnes) {
  const TemporaryDirectory directory;
  for (const char* name :
       {"tokenizer.json", "tokenizer.model", "chat_template.jinja", "LICENSE", "merges.txt",
        // not companions:
        "config.json", ".gitattributes", "model.safetensors", "model.safetensors.index.json",
        "pytorch_model.bin", "pytorch_model.bin.index.json", "consolidated.00.pth", "m.gguf",
        "x.pt", "model.safetensors.partial"}) {
    write_file(directory.path() / name, name);
  }
  fs::create_directories(directory.path() / "original.txt");
  const auto files = list_companion_files(directory.path());
  ASSERT_TRUE(files.has_value());
  EXPECT_EQ(*files, (std::vector<fs::path>{"LICENSE", "chat_template.jinja", "merges.txt",
                                           "tokenizer.json", "tokenizer.model"}));
}

TEST(CompanionFiles, AreAtMostSoLarge) {
  const TemporaryDirectory directory;
  write_file(directory.path() / "largest", "");
  write_file(directory.path() / "too_large", "");
  fs::resize_file(directory.path() / "largest", kMaxCompanionBytes);
  fs::resize_file(directory.path() / "too_large", kMaxCompanionBytes + 1);
  EXPECT_EQ(list_companion_files(directory.path()).value(), std::vector<fs::path>{"largest"});
}

TEST(CompanionFiles, FollowLinksThatLeadSomewhere) {
  const TemporaryDirectory directory;
  const TemporaryDirectory blobs;
  write_file(blobs.path() / "blob", "x");
  fs::create_symlink(blobs.path() / "blob", directory.path() / "tokenizer.json");
  fs::create_symlink(blobs.path() / "absent", directory.path() / "dangling.json");
  EXPECT_EQ(list_companion_files(directory.path()).value(),
            std::vector<fs::path>{"tokenizer.json"});
}

TEST(CompanionFiles, TellAnAbsentDirectory) {
  const TemporaryDirectory directory;
  expect_error(list_companion_files(directory.path() / "absent"), ErrorCode::kNotFound,
               {"absent", "cannot list"});
}

TEST(CompanionFiles, OfTinyMixtralIncludeItsTokenizer) {
  const auto checkpoint = Checkpoint::open("models/tiny-mixtral");
  ASSERT_TRUE(checkpoint.has_value());
  const auto files = checkpoint->companion_files();
  ASSERT_TRUE(files.has_value());
  for (const char* name :
       {"tokenizer.json", "tokenizer_config.json", "generation_config.json"}) {
    EXPECT_NE(std::find(files->begin(), files->end(), fs::path(name)), files->end()) << name;
  }
  EXPECT_EQ(std::find(files->begin(), files->end(), fs::path("config.json")), files->end());
}

}  // namespace
}  // namespace trine::checkpoint
