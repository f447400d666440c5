// What is written is read back; what is not as written is refused by name.
#include "calibrate/statistics_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/safetensors_file.h"
#include "support/expect_error.h"
#include "support/memory_weights.h"
#include "support/temporary_directory.h"

namespace trine::calibrate {
namespace {

using testing_support::expect_error;
using testing_support::sentence;
using testing_support::small_spec;

/// Moments as 6 tokens might leave them; expert 3 of layer 1 saw none.
ModelStatistics made_up_statistics(const ModelSpec& spec, MomentKind kind) {
  ModelStatistics statistics{.tokens = 6};
  statistics.routing[0] = {6, {3, 3, 3, 3}, {1.5, 1.25, 2.0, 1.25}};
  statistics.routing[1] = {6, {6, 4, 2, 0}, {3.0, 2.0, 1.0, 0.0}};
  for (const InputSite& site : input_sites(spec)) {
    SiteStatistics& at = statistics.sites[site.name];
    at.tokens = site.expert ? statistics.routing[site.layer].expert_counts[*site.expert] : 6;
    at.second_moments.assign(site.in_features, at.tokens > 0 ? 0.75 : 0.0);
    at.block_size = block_size_of(kind, site.in_features);
    at.moment_blocks.assign(moment_block_values(site.in_features, at.block_size),
                            at.tokens > 0 ? 0.75f : 0.0f);
  }
  return statistics;
}

class StatisticsFile : public testing::Test {
 protected:
  [[nodiscard]] Result<StoredStatistics> read() const {
    return read_statistics(path_, spec_, identity_);
  }
  void write(MomentKind kind) {
    const Status status =
        write_statistics(path_, made_up_statistics(spec_, kind), spec_, identity_, kind);
    ASSERT_TRUE(status.has_value()) << sentence(status);
  }

  /// Writes the file anew, with the metadata and tensors `change` leaves.
  struct Content {
    std::map<std::string, std::string> metadata{};
    std::vector<base::TensorPlan> plan{};
    std::map<std::string, std::vector<std::uint8_t>> bytes{};

    template <class T>
    void set(const std::string& tensor, std::size_t index, T value) {
      std::memcpy(bytes.at(tensor).data() + index * sizeof(T), &value, sizeof(T));
    }
  };
  void rewrite(const std::function<void(Content&)>& change,
               MomentKind kind = MomentKind::kDiagonal) {
    write(kind);
    Content content;
    {
      const auto file = base::SafetensorsFile::open(path_).value();
      content.metadata = file.metadata();
      for (const base::TensorEntry& entry : file.tensors()) {
        content.plan.push_back({entry.name, entry.dtype, entry.shape});
        const auto bytes = file.bytes(entry);
        content.bytes[entry.name] = {bytes.begin(), bytes.end()};
      }
    }
    change(content);
    auto writer = base::SafetensorsWriter::create(path_, content.plan, content.metadata);
    for (const base::TensorPlan& tensor : content.plan) {
      ASSERT_TRUE(writer->append(content.bytes.at(tensor.name)).has_value());
    }
    ASSERT_TRUE(writer->finish().has_value());
  }

  testing_support::TemporaryDirectory directory_{};
  std::filesystem::path path_ = directory_.path() / "small.trinestats";
  ModelSpec spec_ = small_spec();
  ModelIdentity identity_ = identity_of(spec_, testing_support::tiny_config());
};

constexpr const char* kSite = "model.layers.0.self_attn.q_proj.weight";
constexpr const char* kUnseen = "model.layers.1.block_sparse_moe.experts.3.w2.weight";

TEST_F(StatisticsFile, IsReadBackAsWritten) {
  for (const MomentKind kind :
       {MomentKind::kDiagonal, MomentKind::kBlocks, MomentKind::kFull}) {
    write(kind);
    const auto stored = read();
    ASSERT_TRUE(stored.has_value()) << sentence(stored);
    EXPECT_EQ(stored->kind, kind);
    const ModelStatistics expected = made_up_statistics(spec_, kind);
    EXPECT_EQ(stored->statistics.tokens, expected.tokens);
    for (const auto& [name, site] : expected.sites) {
      const SiteStatistics& found = stored->statistics.sites.at(name);
      EXPECT_EQ(found.tokens, site.tokens);
      EXPECT_EQ(found.second_moments, site.second_moments);
      EXPECT_EQ(found.block_size, site.block_size);
      EXPECT_EQ(found.moment_blocks, site.moment_blocks);
    }
    EXPECT_EQ(stored->statistics.routing.at(1).expert_counts,
              expected.routing.at(1).expert_counts);
    EXPECT_EQ(stored->statistics.routing.at(0).weight_sums, expected.routing.at(0).weight_sums);
  }
}

TEST_F(StatisticsFile, OfAnotherModelIsRefused) {
  write(MomentKind::kDiagonal);
  base::Json config = testing_support::tiny_config();
  config["rope_theta"] = 20000.0;
  expect_error(read_statistics(path_, spec_, identity_of(spec_, config)),
               ErrorCode::kInvalidArgument,
               {"small.trinestats", "another model", identity_.config_xxh3, "mixtral"});
  // The packed form of a model is the same model.
  config = testing_support::tiny_config();
  config["quantization_config"] = {{"quant_method", "trine"}};
  EXPECT_EQ(identity_of(spec_, config), identity_);
}

TEST_F(StatisticsFile, ThatIsNoneOrCutShortIsRefused) {
  expect_error(read(), ErrorCode::kNotFound, {"small.trinestats"});
  write(MomentKind::kBlocks);
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 1);
  expect_error(read(), ErrorCode::kMalformed, {"small.trinestats"});
  std::filesystem::resize_file(path_, 5);
  expect_error(read(), ErrorCode::kMalformed, {"small.trinestats"});
}

TEST_F(StatisticsFile, WithOtherMetadataIsRefused) {
  const auto with = [&](std::string_view key, const char* value) {
    rewrite([&](Content& content) { content.metadata[std::string(key)] = value; });
    return read();
  };
  expect_error(with(kVersionKey, "2"), ErrorCode::kUnsupported, {"version 2", "expected 1"});
  expect_error(with(kFamilyKey, "olmoe"), ErrorCode::kInvalidArgument, {"olmoe", "mixtral"});
  expect_error(with(kMomentsKey, "some"), ErrorCode::kMalformed, {"small.trinestats", "some"});
  expect_error(with(kMomentsKey, "blocks"), ErrorCode::kMalformed, {"moment_blocks"});
  for (const char* tokens : {"", "0", "-6", "6.5", "18446744073709551615"}) {
    expect_error(with(kTokensKey, tokens), ErrorCode::kMalformed, {"tokens", "positive"});
  }
  rewrite([](Content& content) { content.metadata.erase(std::string(kVersionKey)); });
  expect_error(read(), ErrorCode::kMalformed, {"trine_statistics", "trine calibrate"});
}

TEST_F(StatisticsFile, WithOtherTensorsIsRefused) {
  const std::string moments = std::string(kSite) + ".second_moments";
  rewrite([&](Content& content) {
    std::erase_if(content.plan, [&](const auto& tensor) { return tensor.name == moments; });
  });
  expect_error(read(), ErrorCode::kMalformed, {"no tensor", moments});
  rewrite([&](Content& content) {
    content.plan[1].shape = {31};
    content.bytes[moments].resize(31 * sizeof(double));
  });
  expect_error(read(), ErrorCode::kMalformed, {moments, "[31]", "[32]"});
  rewrite([&](Content& content) { content.plan[1].dtype = DType::kI64; });
  expect_error(read(), ErrorCode::kMalformed, {moments, "I64", "F64"});
  rewrite([](Content& content) {
    content.plan.push_back({"stranger", DType::kU8, {1}});
    content.bytes["stranger"] = {0};
  });
  expect_error(read(), ErrorCode::kMalformed, {"stranger"});
}

TEST_F(StatisticsFile, WithImpossibleNumbersIsRefused) {
  const std::string moments = std::string(kSite) + ".second_moments";
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double bad : {nan, double{HUGE_VAL}, -1.0}) {
    rewrite([&](Content& content) { content.set(moments, 5, bad); });
    expect_error(read(), ErrorCode::kMalformed, {"element 5", moments});
    rewrite([&](Content& content) { content.set("routing.1.weight_sums", 2, bad); });
    expect_error(read(), ErrorCode::kMalformed, {"element 2", "routing.1.weight_sums"});
  }
}

TEST_F(StatisticsFile, WithCountsThatDoNotFitIsRefused) {
  const auto count = [&](const std::string& tensor, std::size_t index, std::int64_t value) {
    rewrite([&](Content& content) { content.set(tensor, index, value); });
    return read();
  };
  expect_error(count("routing.0.tokens", 0, -1), ErrorCode::kMalformed,
               {"routing.0.tokens", "-1"});
  expect_error(count("routing.0.expert_counts", 1, 4), ErrorCode::kMalformed,
               {"routing.0", "13", "6 tokens times 2"});
  expect_error(count(std::string(kSite) + ".tokens", 0, 0), ErrorCode::kMalformed,
               {kSite, "0 tokens"});
  expect_error(count(std::string(kUnseen) + ".tokens", 0, 1), ErrorCode::kMalformed,
               {kUnseen, "saw 1", "the 0"});
  rewrite([](Content& content) {  // the sum is right, yet 7 of 6 tokens went to one expert
    content.set<std::int64_t>("routing.1.expert_counts", 0, 7);
    content.set<std::int64_t>("routing.1.expert_counts", 1, 3);
  });
  expect_error(read(), ErrorCode::kMalformed, {"routing.1", "7 tokens to expert 0"});
  rewrite(
      [](Content& content) { content.set(std::string(kUnseen) + ".second_moments", 3, 0.5); });
  expect_error(read(), ErrorCode::kMalformed, {kUnseen, "other than 0"});
}

TEST_F(StatisticsFile, WithBlocksThatContradictIsRefused) {
  const std::string blocks = std::string(kSite) + ".moment_blocks";
  const auto with = [&](std::size_t index, float value) {
    rewrite([&](Content& content) { content.set(blocks, index, value); }, MomentKind::kFull);
    return read();
  };
  expect_error(with(33, 0.76f), ErrorCode::kMalformed, {blocks, "0.76", "input 1", "0.75"});
  expect_error(with(1, 0.5f), ErrorCode::kMalformed, {blocks, "symmetric", "0 and 1"});
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), HUGE_VALF}) {
    expect_error(with(0, bad), ErrorCode::kMalformed, {blocks});
    expect_error(with(64, bad), ErrorCode::kMalformed, {blocks, "finite"});
  }
}

}  // namespace
}  // namespace trine::calibrate
