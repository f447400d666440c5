// Plans as files: a round trip, refusals that name matrix and field, predicted sizes.
#include "plan/plan.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "support/expect_error.h"
#include "support/memory_weights.h"

namespace trine::plan {
namespace {

using base::Json;
using testing_support::expect_error;
using testing_support::sentence;

constexpr const char* kMatrix = "model.layers.1.self_attn.k_proj.weight";  // [16, 32]

class PlanTest : public testing::Test {
 protected:
  PlanTest() {
    for (const MatrixSpec* matrix : compressible_matrices(spec_)) {
      plan_.matrices[matrix->name] = {.quantizer = "trine", .bits = 3, .group_size = 32};
    }
  }
  [[nodiscard]] Status checked() const { return check_plan(spec_, plan_, "my.json"); }

  ModelSpec spec_ = testing_support::small_spec();
  Plan plan_{};
};

TEST_F(PlanTest, SurvivesARoundTripThroughText) {
  plan_.trine_version = "0.1.0";
  plan_.allocator = "greedy";
  plan_.budget.memory_bytes = std::uint64_t{1} << 36;
  plan_.statistics_xxh3 = "0123456789abcdef";
  plan_.matrices[kMatrix] = {"rtn", 5, 128, 8, 16, 4, "milo"};
  plan_.scores["frequency"] = {{kMatrix, 0.25}, {"other", -1e-3}};
  const auto json = base::parse_json(to_json(plan_).dump(), "my.json");
  ASSERT_TRUE(json.has_value()) << sentence(json);
  const auto read = parse_plan(*json, "my.json");
  ASSERT_TRUE(read.has_value()) << sentence(read);
  EXPECT_EQ(read->trine_version, "0.1.0");
  EXPECT_EQ(read->preset, "");
  EXPECT_EQ(read->allocator, "greedy");
  EXPECT_FALSE(read->budget.bits_per_weight.has_value());
  EXPECT_EQ(read->budget.memory_bytes, std::uint64_t{1} << 36);
  EXPECT_EQ(read->statistics_xxh3, "0123456789abcdef");
  EXPECT_EQ(read->matrices, plan_.matrices);
  EXPECT_EQ(read->scores, plan_.scores);
}

TEST_F(PlanTest, KeepsABudgetOfBits) {
  plan_.preset = "trine-3bit";
  plan_.budget.bits_per_weight = 3.25;
  const auto read = parse_plan(to_json(plan_), "my.json");
  ASSERT_TRUE(read.has_value()) << sentence(read);
  EXPECT_EQ(read->preset, "trine-3bit");
  EXPECT_EQ(read->budget.bits_per_weight, 3.25);
  EXPECT_FALSE(read->budget.memory_bytes.has_value());
}

TEST_F(PlanTest, AnEditedEntryMayLeaveDefaultsOut) {
  const Json json = {
      {"plan_version", 1},
      {"matrices", {{"a", {{"quantizer", "hqq"}, {"bits", 4}, {"group_size", 64}}}}}};
  const auto read = parse_plan(json, "my.json");
  ASSERT_TRUE(read.has_value()) << sentence(read);
  EXPECT_EQ(read->matrices.at("a"), (MatrixPlan{.quantizer = "hqq", .bits = 4}));
}

struct BadPlan {
  const char* name;
  std::function<void(Json&)> spoil;
  std::vector<std::string> words;
  ErrorCode code = ErrorCode::kMalformed;
};

TEST_F(PlanTest, MalformedFilesAreRefusedWithTheFieldInQuestion) {
  const auto entry = [](const char* field, Json value) {
    return [=](Json& json) { json["matrices"][kMatrix][field] = value; };
  };
  const std::vector<BadPlan> bad_plans = {
      {"NewerVersion",
       [](Json& json) { json["plan_version"] = 2; },
       {"plan_version", "2", "newer"},
       ErrorCode::kUnsupported},
      {"NoVersion", [](Json& json) { json.erase("plan_version"); }, {"plan_version"}},
      {"NoMatrices", [](Json& json) { json.erase("matrices"); }, {"matrices"}},
      {"MatricesList", [](Json& json) { json["matrices"] = Json::array(); }, {"matrices"}},
      {"EntryNumber", [](Json& json) { json["matrices"][kMatrix] = 3; }, {kMatrix}},
      {"BitsText", entry("bits", "3"), {kMatrix, "bits"}},
      {"BitsHalf", entry("bits", 2.5), {kMatrix, "bits"}},
      {"NoQuantizer", entry("quantizer", nullptr), {kMatrix, "quantizer"}},
      {"NegativeRank", entry("rank", -1), {kMatrix, "rank", "-1"}},
      {"ScoreText", [](Json& json) { json["scores"]["x"]["y"] = "z"; }, {"scores", "y"}},
      {"BudgetText",
       [](Json& json) { json["budget"]["bits_per_weight"] = "3"; },
       {"budget", "bits_per_weight"}},
  };
  for (const BadPlan& bad : bad_plans) {
    SCOPED_TRACE(bad.name);
    Json json = to_json(plan_);
    bad.spoil(json);
    const auto read = parse_plan(json, "my.json");
    expect_error(read, bad.code, {"my.json"});
    for (const std::string& word : bad.words) expect_error(read, bad.code, {word});
  }
}

TEST_F(PlanTest, ImpossibleEntriesAreRefusedWithMatrixAndField) {
  struct Impossible {
    MatrixPlan plan;
    std::vector<std::string> words;
  };
  const std::vector<Impossible> entries = {
      {{.bits = 7}, {"bits is 7", "2, 3, 4, 5, 6 or 8"}},
      {{.bits = 1}, {"bits is 1"}},
      {{.group_size = 48}, {"group_size is 48", "32, 64 or 128"}},
      {{.metadata_bits = 12}, {"metadata_bits is 12", "8 or 16"}},
      {{.rank = 17, .compensator = "milo"}, {"rank is 17", "at most 16", "[16, 32]"}},
      {{.rank = 4, .factor_bits = 5, .compensator = "milo"},
       {"factor_bits is 5", "3, 4, 8 or 16"}},
      {{.rank = 4}, {"compensator is absent", "rank is not 0"}},
  };
  ASSERT_TRUE(checked().has_value());
  for (const Impossible& entry : entries) {
    plan_.matrices[kMatrix] = entry.plan;
    expect_error(checked(), ErrorCode::kInvalidArgument, {"my.json", kMatrix});
    for (const std::string& word : entry.words) {
      expect_error(checked(), ErrorCode::kInvalidArgument, {word});
    }
  }
  plan_.matrices[kMatrix] = {.rank = 16, .factor_bits = 16, .compensator = "milo"};
  EXPECT_TRUE(checked().has_value()) << sentence(checked());
  plan_.matrices[kMatrix] = {.factor_bits = 5};  // unused without a rank
  EXPECT_TRUE(checked().has_value()) << sentence(checked());
}

TEST_F(PlanTest, EveryMatrixHasExactlyOneEntry) {
  const MatrixPlan entry = plan_.matrices.at(kMatrix);
  plan_.matrices.erase(kMatrix);
  expect_error(checked(), ErrorCode::kInvalidArgument, {"my.json", "no entry", kMatrix});
  plan_.matrices[kMatrix] = entry;
  for (const char* stranger : {"model.layers.9.none.weight", "lm_head.weight"}) {
    plan_.matrices[stranger] = entry;
    expect_error(checked(), ErrorCode::kInvalidArgument,
                 {"my.json", stranger, "no compressible matrix"});
    plan_.matrices.erase(stranger);
  }
  EXPECT_TRUE(checked().has_value());
}

TEST_F(PlanTest, SizesCountEveryByte) {
  std::uint64_t weights = 0, bytes = 0;
  for (const MatrixSpec* matrix : compressible_matrices(spec_)) {
    weights += matrix->out_features * matrix->in_features;
    // 3 bits in groups of 32: 3 lines of codes and one of metadata per 16 outputs.
    bytes += (matrix->out_features + 15) / 16 * ((matrix->in_features + 31) / 32) * 256;
  }
  PredictedSize size = predict_size(spec_, plan_, 1000);
  EXPECT_EQ(size.compressed_matrix_weights, weights);
  EXPECT_EQ(size.compressed_matrix_bytes, bytes);
  EXPECT_EQ(size.stored_bytes, bytes + 1000);
  EXPECT_EQ(size.bits_per_weight(),
            8.0 * static_cast<double>(bytes) / static_cast<double>(weights));

  // One group: 8-bit metadata take a line more. Factors of rank 5: one row block each, left one
  // and right one group of 64 at 4 bits with a row line and a metadata line.
  plan_.matrices[kMatrix] = {"trine", 3, 32, 8, 5, 4, "milo"};
  size = predict_size(spec_, plan_, 0);
  EXPECT_EQ(size.compressed_matrix_bytes, bytes + 64 + 2 * (512 + 128));
  // fp16 factors are filled up to 32 rows: (16 + 32) · 32 · 2 bytes.
  plan_.matrices[kMatrix] = {"trine", 3, 32, 16, 5, 16, "milo"};
  size = predict_size(spec_, plan_, 0);
  EXPECT_EQ(size.compressed_matrix_bytes, bytes + 3072);
}

}  // namespace
}  // namespace trine::plan
