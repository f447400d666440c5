#include "packed/manifest.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "support/expect_error.h"

namespace trine::packed {
namespace {

using base::Json;
using testing_support::expect_error;
using testing_support::sentence;

constexpr const char* kName = "model.layers.0.self_attn.q_proj.weight";
constexpr const char* kCompensated = "model.layers.0.self_attn.k_proj.weight";

Manifest example() {
  Manifest manifest{.trine_version = "0.1.0",
                    .recipe = {"rtn-4bit", "uniform", 4.5, std::uint64_t{1} << 36, "fedcba98"},
                    .source_xxh3 = "0123456789abcdef",
                    .source_tensors = 17};
  manifest.matrices[kName] = {{100, 200, 4, 32}, "rtn", 0.125};
  manifest.matrices[kCompensated] = {{96, 64, 3, 64, 8}, "trine", 0.25, 17, 4, "milo"};
  manifest.checksums = {{"a", "00000000000000ff"}, {packed_name(kName), "ffffffffffffffff"}};
  manifest.totals = {.compressed_matrix_bytes = 1000,
                     .compressed_matrix_weights = 2000,
                     .stored_bytes = 3000,
                     .original_bytes = std::uint64_t{1} << 40,
                     .weight_error = 0.1};
  return manifest;
}

TEST(Manifest, SurvivesARoundTripThroughText) {
  const Manifest written = example();
  const auto json = base::parse_json(to_json(written).dump(), "trine.json");
  ASSERT_TRUE(json.has_value()) << sentence(json);
  const auto read = parse_manifest(*json, "trine.json");
  ASSERT_TRUE(read.has_value()) << sentence(read);
  EXPECT_EQ(read->trine_version, "0.1.0");
  EXPECT_EQ(read->recipe.preset, "rtn-4bit");
  EXPECT_EQ(read->recipe.allocator, "uniform");
  EXPECT_EQ(read->recipe.bits_per_weight, 4.5);
  EXPECT_EQ(read->recipe.memory_bytes, std::uint64_t{1} << 36);
  EXPECT_EQ(read->recipe.statistics_xxh3, "fedcba98");
  EXPECT_EQ(read->source_xxh3, written.source_xxh3);
  EXPECT_EQ(read->source_tensors, 17u);
  EXPECT_EQ(read->checksums, written.checksums);
  ASSERT_EQ(read->matrices.size(), 2u);
  const MatrixRecord& matrix = read->matrices.at(kName);
  EXPECT_EQ(matrix.layout.out_features, 100u);
  EXPECT_EQ(matrix.layout.in_features, 200u);
  EXPECT_EQ(matrix.layout.bits, 4);
  EXPECT_EQ(matrix.layout.group_size, 32u);
  EXPECT_EQ(matrix.quantizer, "rtn");
  EXPECT_EQ(matrix.layout.metadata_bits, 16);
  EXPECT_EQ(matrix.weight_error, 0.125);
  EXPECT_EQ(matrix.rank, 0u);
  const MatrixRecord& compensated = read->matrices.at(kCompensated);
  EXPECT_EQ(compensated.layout, (PackedLayout{96, 64, 3, 64, 8}));
  EXPECT_EQ(compensated.quantizer, "trine");
  EXPECT_EQ(compensated.rank, 17u);
  EXPECT_EQ(compensated.factor_bits, 4);
  EXPECT_EQ(compensated.compensator, "milo");
  EXPECT_EQ(read->totals.compressed_matrix_bytes, 1000u);
  EXPECT_EQ(read->totals.compressed_matrix_weights, 2000u);
  EXPECT_EQ(read->totals.stored_bytes, 3000u);
  EXPECT_EQ(read->totals.original_bytes, std::uint64_t{1} << 40);
  EXPECT_EQ(read->totals.weight_error, 0.1);
}

TEST(Manifest, CountsNonfiniteWeightsOnlyWhenThereAreAny) {
  Manifest manifest = example();
  EXPECT_FALSE(to_json(manifest).contains("nonfinite"));
  manifest.nonfinite = {{kName, 3}, {"a", 4}};
  EXPECT_EQ(count_nonfinite_weights(manifest), 7u);
  const auto read = parse_manifest(to_json(manifest), "trine.json");
  ASSERT_TRUE(read.has_value()) << sentence(read);
  EXPECT_EQ(read->nonfinite, manifest.nonfinite);
}

TEST(Manifest, AbsentBudgetsStayAbsent) {
  Manifest written = example();
  written.recipe = {.preset = "trine-3bit", .allocator = "uniform"};
  const auto read = parse_manifest(to_json(written), "trine.json");
  ASSERT_TRUE(read.has_value()) << sentence(read);
  EXPECT_FALSE(read->recipe.bits_per_weight.has_value());
  EXPECT_FALSE(read->recipe.memory_bytes.has_value());
  EXPECT_EQ(read->recipe.statistics_xxh3, "");
}

TEST(Manifest, ReadsVersionOne) {
  // As version 1 wrote it: no compensators, and what a recipe was then.
  Json json = to_json(example());
  json["format_version"] = 1;
  json["recipe"] = {{"preset", "rtn-4bit"},
                    {"quantizer", "rtn"},
                    {"bits", 4},
                    {"group_size", 32},
                    {"metadata_bits", 16}};
  json["matrices"].erase(kCompensated);
  json["matrices"][kName].erase("rank");
  const auto read = parse_manifest(json, "trine.json");
  ASSERT_TRUE(read.has_value()) << sentence(read);
  EXPECT_EQ(read->recipe.preset, "rtn-4bit");
  EXPECT_EQ(read->matrices.at(kName).rank, 0u);
}

TEST(Manifest, StatesBitsPerWeight) {
  EXPECT_EQ(example().totals.bits_per_weight(), 4.0);
  EXPECT_EQ(to_json(example())["totals"]["bits_per_weight"], 4.0);
}

TEST(Manifest, IgnoresFieldsItDoesNotKnow) {
  Json json = to_json(example());
  json["later"] = 1;
  json["matrices"][kName]["later"] = "x";
  EXPECT_TRUE(parse_manifest(json, "trine.json").has_value());
}

struct BadManifest {
  const char* name;
  std::function<void(Json&)> spoil;
  std::vector<std::string> words;
  ErrorCode code = ErrorCode::kMalformed;
};

/// A change of one field of the matrix without a compensator.
std::function<void(Json&)> in_matrix(const char* field, Json value) {
  return [=](Json& json) { json["matrices"][kName][field] = value; };
}

/// A change of one field of the matrix with one.
std::function<void(Json&)> in_compensated(const char* field, Json value) {
  return [=](Json& json) { json["matrices"][kCompensated][field] = value; };
}

std::function<void(Json&)> without(const char* field) {
  return [=](Json& json) { json.erase(field); };
}

std::vector<BadManifest> bad_manifests() {
  const auto unsupported = ErrorCode::kUnsupported;
  return {
      {"NewerVersion",
       [](Json& json) { json["format_version"] = 3; },
       {"version 3", "newer", "update Trine"},
       unsupported},
      {"NewerVersionOfAnotherShape",  // what follows may mean anything by then
       [](Json& json) {
         json = {{"format_version", 9}};
       },
       {"version 9"},
       unsupported},
      {"VersionZero", [](Json& json) { json["format_version"] = 0; }, {"format_version"}},
      {"VersionText", [](Json& json) { json["format_version"] = "1"; }, {"format_version"}},
      {"NoVersion", without("format_version"), {"format_version"}},
      {"NoRecipe", without("recipe"), {"recipe"}},
      {"NoSource", without("source"), {"source"}},
      {"NoTotals", without("totals"), {"totals"}},
      {"NoMatrices", without("matrices"), {"matrices"}},
      {"NoChecksums", without("checksums"), {"checksums"}},
      {"NoTrineVersion", without("trine_version"), {"trine_version"}},
      {"Array", [](Json& json) { json = Json::array(); }, {"trine.json"}},
      {"MatricesList", [](Json& json) { json["matrices"] = Json::array(); }, {"matrices"}},
      {"ChecksumNumber",
       [](Json& json) { json["checksums"]["a"] = 1; },
       {"checksums", "\"a\""}},
      {"NegativeTotal",
       [](Json& json) { json["totals"]["stored_bytes"] = -1; },
       {"totals", "stored_bytes", "-1"}},
      {"MatrixNumber", [](Json& json) { json["matrices"][kName] = 3; }, {kName}},
      {"UnknownFormat", in_matrix("format", "codebook"), {kName, "codebook"}, unsupported},
      {"MetadataBits",
       in_matrix("metadata_bits", 12),
       {kName, "metadata_bits", "12", "8 or 16"},
       unsupported},
      {"SmallMetadata", in_matrix("metadata_bits", 4), {kName, "metadata_bits", "4"}},
      {"LargeMetadata", in_matrix("metadata_bits", 32), {kName, "metadata_bits", "32"}},
      {"RankTooLarge", in_compensated("rank", 65), {kCompensated, "rank", "65", "64"}},
      {"NegativeRank", in_compensated("rank", -1), {kCompensated, "rank", "-1"}},
      {"HalfRank", in_compensated("rank", 1.5), {kCompensated, "rank"}},
      {"FiveFactorBits",
       in_compensated("factor_bits", 5),
       {kCompensated, "factor_bits", "5", "3, 4, 8 or 16"},
       unsupported},
      {"LargeFactorBits", in_compensated("factor_bits", 32), {kCompensated, "factor_bits"}},
      {"NoFactorBits",
       [](Json& json) { json["matrices"][kCompensated].erase("factor_bits"); },
       {kCompensated, "factor_bits"}},
      {"BudgetText",
       [](Json& json) { json["recipe"]["bits_per_weight"] = "3"; },
       {"recipe", "bits_per_weight"}},
      {"SevenBits", in_matrix("bits", 7), {kName, "7 bits", "2, 3, 4, 5, 6 or 8"}, unsupported},
      {"OneBit", in_matrix("bits", 1), {kName, "bits", "1"}},
      {"NineBits", in_matrix("bits", 9), {kName, "bits", "9"}},
      {"HalfBits", in_matrix("bits", 3.5), {kName, "bits"}},
      {"OddGroup", in_matrix("group_size", 96), {kName, "groups of 96"}, unsupported},
      {"SmallGroup", in_matrix("group_size", 16), {kName, "group_size", "16"}},
      {"LargeGroup", in_matrix("group_size", 256), {kName, "group_size", "256"}},
      {"NoOutputs", in_matrix("out_features", 0), {kName, "out_features", "0"}},
      {"NoInputs", in_matrix("in_features", 0), {kName, "in_features", "0"}},
      {"HugeInputs", in_matrix("in_features", std::uint64_t{1} << 40), {kName, "in_features"}},
      {"NegativeError", in_matrix("weight_error", -0.5), {kName, "weight_error"}},
      {"NullError", in_matrix("weight_error", nullptr), {kName, "weight_error"}},
      {"NonfiniteList", [](Json& json) { json["nonfinite"] = Json::array(); }, {"nonfinite"}},
      {"NonfiniteOfNone",
       [](Json& json) {
         json["nonfinite"] = {{"a", 0}};
       },
       {"nonfinite", "\"a\"", "0"}},
      {"NonfiniteOfAStranger",
       [](Json& json) {
         json["nonfinite"] = {{"b", 1}};
       },
       {"nonfinite", "b is neither a packed matrix nor a stored tensor"}},
      {"NoQuantizer", in_matrix("quantizer", nullptr), {kName, "quantizer"}},
  };
}

class BadManifestTest : public testing::TestWithParam<BadManifest> {};

TEST_P(BadManifestTest, IsRefusedWithItsReason) {
  const BadManifest& bad = GetParam();
  Json json = to_json(example());
  bad.spoil(json);
  const auto result = parse_manifest(json, "trine.json");
  expect_error(result, bad.code, {"trine.json"});
  for (const std::string& word : bad.words) expect_error(result, bad.code, {word});
}

INSTANTIATE_TEST_SUITE_P(Each, BadManifestTest, testing::ValuesIn(bad_manifests()),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace trine::packed
