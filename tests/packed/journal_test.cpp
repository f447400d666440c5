// What a later run takes from an interrupted one, and what it does not.
#include "packed/journal.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/hash.h"
#include "support/temporary_directory.h"

namespace trine::packed {
namespace {

namespace fs = std::filesystem;
using testing_support::TemporaryDirectory;
using testing_support::write_file;

class JournalTest : public testing::Test {
 protected:
  [[nodiscard]] fs::path target() const { return directory_.path() / "packed"; }
  [[nodiscard]] fs::path partial() const { return directory_.path() / "packed.partial"; }
  [[nodiscard]] fs::path previous() const { return directory_.path() / "packed.previous"; }

  /// Matrices "a0", "a1", … of four bytes each in the shard `file`, as an interrupted run leaves it.
  void leave_run(const fs::path& folder, int matrices, const std::string& file,
                 const std::string& key = "key") {
    fs::create_directories(folder);
    std::string bytes = "header";
    auto journal = Journal::create(folder).value();
    for (int i = 0; i < matrices; ++i) {
      const std::string content = "<" + std::to_string(10 + i) + ">";
      const std::span data(reinterpret_cast<const std::uint8_t*>(content.data()), 4);
      ASSERT_TRUE(journal.add(
          {.name = "a" + std::to_string(i),
           .key = key + std::to_string(i),
           .pieces = {{"model.safetensors", bytes.size(), 4, base::to_hex(base::xxh3(data))}},
           .squared_error = 0.1 + i,
           .squared_norm = 1.0 / 3.0,
           .trace = {0.5, 0.25}}));
      bytes += content;
    }
    write_file(folder / file, bytes);
  }

  TemporaryDirectory directory_;
};

TEST_F(JournalTest, GivesBackWhatWasFinishedBitForBit) {
  leave_run(partial(), 3, "model.safetensors.partial");
  const EarlierRun run = EarlierRun::take(target()).value();
  EXPECT_EQ(run.size(), 3u);
  EXPECT_FALSE(fs::exists(partial()));
  const FinishedMatrix* found = run.find("a1", "key1");
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->squared_error, 1.1);
  EXPECT_EQ(found->squared_norm, 1.0 / 3.0);
  EXPECT_EQ(found->trace, (std::vector<double>{0.5, 0.25}));
  const auto bytes = run.read(*found);
  ASSERT_TRUE(bytes);
  EXPECT_EQ(std::string(bytes->at(0).begin(), bytes->at(0).end()), "<11>");
  EXPECT_EQ(run.find("a1", "key2"), nullptr);
  EXPECT_EQ(run.find("b", "key1"), nullptr);
}

TEST_F(JournalTest, FinishedShardsHaveTheirFinalName) {
  leave_run(partial(), 2, "model.safetensors");
  const EarlierRun run = EarlierRun::take(target()).value();
  EXPECT_TRUE(run.read(*run.find("a1", "key1")));
}

TEST_F(JournalTest, KeepsTheRunThatGotFarther) {
  leave_run(previous(), 5, "model.safetensors");
  leave_run(partial(), 2, "model.safetensors");
  EXPECT_EQ(EarlierRun::take(target()).value().size(), 5u);
  EXPECT_FALSE(fs::exists(partial()));
  leave_run(partial(), 6, "model.safetensors");
  EXPECT_EQ(EarlierRun::take(target()).value().size(), 6u);
  EarlierRun::discard(target());
  EXPECT_TRUE(fs::is_empty(directory_.path()));
}

/// A run of another plan is what the user wants now, however far the older one got.
TEST_F(JournalTest, ARunOfAnotherPlanReplacesTheOlderOne) {
  leave_run(previous(), 5, "model.safetensors");
  leave_run(partial(), 2, "model.safetensors", "other");
  const EarlierRun run = EarlierRun::take(target()).value();
  EXPECT_EQ(run.size(), 2u);
  EXPECT_NE(run.find("a1", "other1"), nullptr);
}

TEST_F(JournalTest, ALineThatWasCutOffEndsTheJournal) {
  leave_run(partial(), 3, "model.safetensors");
  fs::resize_file(partial() / Journal::kFile, fs::file_size(partial() / Journal::kFile) - 5);
  EXPECT_EQ(EarlierRun::take(target()).value().size(), 2u);
}

TEST_F(JournalTest, BytesThatAreNotThoseOfTheJournalAreNotTaken) {
  leave_run(partial(), 3, "model.safetensors");
  write_file(partial() / "model.safetensors", "header<10><XX>");  // a1 differs, a2 is missing
  const EarlierRun run = EarlierRun::take(target()).value();
  EXPECT_TRUE(run.read(*run.find("a0", "key0")));
  EXPECT_FALSE(run.read(*run.find("a1", "key1")));
  EXPECT_FALSE(run.read(*run.find("a2", "key2")));
}

TEST_F(JournalTest, NothingLeftBehindIsAnEmptyRun) {
  EXPECT_EQ(EarlierRun::take(target()).value().size(), 0u);
  EXPECT_TRUE(fs::is_empty(directory_.path()));
}

}  // namespace
}  // namespace trine::packed
