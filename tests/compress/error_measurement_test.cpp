// Tables of measured errors: what they say of experts, of which model, and of infinities.
#include "compress/error_measurement.h"

#include <gtest/gtest.h>

#include <string>

#include "support/expect_error.h"
#include "support/tiny_packed_model.h"

namespace trine::compress {
namespace {

using testing_support::expect_error;
using testing_support::sentence;

/// One candidate, so that a table takes milliseconds.
const CandidateGrid kOne{.quantizers = {"rtn"}, .bits = {4}, .group_sizes = {32}, .ranks = {0}};

std::map<std::string, ErrorRow> by_name(const ErrorTable& table) {
  std::map<std::string, ErrorRow> rows;
  for (const ErrorRow& row : table) rows[row.name] = row;
  return rows;
}

TEST(ErrorMeasurement, ExpertsOfAnEncoderHaveTheUseOfExperts) {
  const auto source = checkpoint::Checkpoint::open("tests/golden/switch");
  ASSERT_TRUE(source) << sentence(source);
  const std::string known = "decoder.block.1.layer.2.mlp.experts.expert_0.wi.weight";
  const auto table = measure_errors(*source, kOne, {.threads = 2, .use = {{known, 0.75}}}, {});
  ASSERT_TRUE(table) << sentence(table);
  const auto rows = by_name(*table);
  EXPECT_EQ(rows.size(), compressible_matrices(source->spec()).size());
  EXPECT_FALSE(rows.contains(""));  // Switch's experts have no gate_proj
  std::size_t experts = 0, in_encoder = 0;
  for (const auto& [name, row] : rows) {
    const bool is_routed = row.role == MatrixRole::kExpert;
    // One of four experts per token, in the encoder as in the decoder.
    const double expected = name == known ? 0.75 : is_routed ? 0.25 : 1.0;
    EXPECT_EQ(row.use, expected) << name;
    experts += is_routed ? 1 : 0;
    in_encoder += is_routed && name.starts_with("encoder.") ? 1 : 0;
    if (!is_routed) continue;
    EXPECT_NE(name.find("block." + std::to_string(row.layer) + "."), std::string::npos)
        << name << " in layer " << row.layer;
  }
  EXPECT_EQ(experts, 24u);  // three layers with four experts of two matrices
  EXPECT_EQ(in_encoder, 8u);
}

TEST(ErrorMeasurement, WhatProgressThrowsLeavesTheParallelLoop) {
  struct Stopped {};
  const testing_support::TemporaryDirectory directory;
  testing_support::write_tiny_checkpoint(directory.path());
  const auto source = checkpoint::Checkpoint::open(directory.path());
  ASSERT_TRUE(source) << sentence(source);
  std::size_t calls = 0;
  const auto stop = [&calls](const base::Progress&) {
    ++calls;
    throw Stopped{};
  };
  EXPECT_THROW(static_cast<void>(measure_errors(*source, kOne, {.threads = 2}, stop)), Stopped);
  EXPECT_EQ(calls, 1u);
}

TEST(ErrorMeasurement, ATableIsReadBackForTheModelAndStatisticsItWasMeasuredWith) {
  const testing_support::TemporaryDirectory directory;
  testing_support::write_tiny_checkpoint(directory.path());
  const auto source = checkpoint::Checkpoint::open(directory.path());
  ASSERT_TRUE(source) << sentence(source);
  const auto table = measure_errors(*source, kOne, {}, {});
  ASSERT_TRUE(table) << sentence(table);
  const ErrorTableOrigin origin{"0123456789abcdef", "fedcba9876543210", kOne};
  base::Json json = to_json(*table, origin);
  const auto again = parse_error_table(json, origin, "errors.json");
  ASSERT_TRUE(again) << sentence(again);
  EXPECT_EQ(to_json(*again, origin), json);

  expect_error(
      parse_error_table(json, {"another", origin.statistics_xxh3, kOne}, "errors.json"),
      ErrorCode::kInvalidArgument,
      {"errors.json", "another model", origin.source_fingerprint, "expected another"});
  expect_error(parse_error_table(json, {origin.source_fingerprint, "", kOne}, "errors.json"),
               ErrorCode::kInvalidArgument,
               {"errors.json", "with statistics fedcba9876543210, but none were given"});
  ErrorTableOrigin other = origin;
  other.grid.compensator = "milo-paper";
  expect_error(parse_error_table(json, other, "errors.json"), ErrorCode::kInvalidArgument,
               {"errors.json.grid.compensator", "\"milo\"", "asks for \"milo-paper\""});
  base::Json incomplete = json;
  incomplete["grid"].erase("ranks");
  expect_error(parse_error_table(incomplete, origin, "errors.json"),
               ErrorCode::kInvalidArgument, {"grid.ranks", "nothing of that name"});
  json["statistics_xxh3"] = "";
  expect_error(parse_error_table(json, origin, "errors.json"), ErrorCode::kInvalidArgument,
               {"with statistics of none, but fedcba9876543210 were given"});
  json.erase("source_fingerprint");
  expect_error(parse_error_table(json, origin, "errors.json"), ErrorCode::kMalformed,
               {"source_fingerprint"});
  json["error_table_version"] = 1;  // did not say what it was measured with
  expect_error(parse_error_table(json, origin, "errors.json"), ErrorCode::kMalformed,
               {"error_table_version"});
}

TEST(ErrorMeasurement, InfinitiesAreRefusedByNameOrMeasuredAsZeroAndCounted) {
  const testing_support::TemporaryDirectory directory;
  testing_support::write_tiny_checkpoint(directory.path());
  const auto file = directory.path() / "model.safetensors";
  const std::string name = "model.layers.1.self_attn.k_proj.weight";
  const std::string clean = testing_support::read_file(file);
  const auto measured = [&](std::uint16_t bits, bool allow) -> Result<ErrorTable> {
    std::string content = clean;
    const std::size_t place = testing_support::place_in_shard(file, name, 2 * 5);
    content.at(place) = static_cast<char>(bits & 0xFF);
    content.at(place + 1) = static_cast<char>(bits >> 8);
    testing_support::write_file(file, content);
    TRINE_ASSIGN_OR_RETURN(const auto source, checkpoint::Checkpoint::open(directory.path()));
    return measure_errors(source, kOne, {.allow_nonfinite = allow}, {});
  };
  constexpr std::uint16_t kInfinity = 0x7F80;
  expect_error(measured(kInfinity, false), ErrorCode::kMalformed,
               {name, "element 5", "infinite", "--allow-nonfinite"});
  const auto counted = measured(kInfinity, true), zero = measured(0, false);
  ASSERT_TRUE(counted) << sentence(counted);
  ASSERT_TRUE(zero) << sentence(zero);
  for (const auto& [matrix, row] : by_name(*counted)) {
    EXPECT_EQ(row.nonfinite, matrix == name ? 1u : 0u) << matrix;
    const ErrorRow other = by_name(*zero).at(matrix);
    EXPECT_EQ(row.squared_norm, other.squared_norm) << matrix;
    EXPECT_EQ(row.candidates.at(0).weight_error, other.candidates.at(0).weight_error) << matrix;
  }
  const auto again = parse_error_table(to_json(*counted, {}), {}, "errors.json");
  ASSERT_TRUE(again) << sentence(again);
  EXPECT_EQ(by_name(*again).at(name).nonfinite, 1u);
}

}  // namespace
}  // namespace trine::compress
