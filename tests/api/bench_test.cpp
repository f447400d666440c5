#include <trine/bench.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

namespace trine {
namespace {

TEST(ParseShape, ReadsOutputsThenInputs) {
  const auto shape = parse_shape("4096x14336");
  ASSERT_TRUE(shape.has_value());
  EXPECT_EQ(shape->out_features, 4096u);
  EXPECT_EQ(shape->in_features, 14336u);
  EXPECT_TRUE(parse_shape("1x1048576").has_value());
}

TEST(ParseShape, RefusesEverythingElseAndSaysWhat) {
  for (const char* text :
       {"", "x", "4096", "4096y3", "x3", "3x", "3x4x5", "-3x4", "3 x 4", "0x4", "3x0",
        "1048577x3", "3x99999999999999999999", "3.5x4", "+3x4"}) {
    const auto shape = parse_shape(text);
    ASSERT_FALSE(shape.has_value()) << text;
    EXPECT_EQ(shape.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(shape.error().message.find(fmt::format("\"{}\"", text)), std::string::npos);
  }
}

/// The sentence about `options`; empty when they are possible.
std::string refusal(const KernelBenchOptions& options) {
  const auto report = measure_kernels(options);
  return report ? "" : report.error().message;
}

TEST(KernelBenchOptions, ImpossibleOnesAreNamed) {
  EXPECT_NE(refusal({.bits = {3, 7}}).find("bits is 7"), std::string::npos);
  EXPECT_NE(refusal({.bits = {}}).find("bits"), std::string::npos);
  EXPECT_NE(refusal({.batches = {0}}).find("batch is 0"), std::string::npos);
  EXPECT_NE(refusal({.group_size = 48}).find("group size is 48"), std::string::npos);
  EXPECT_NE(refusal({.metadata_bits = {4}}).find("metadata bits is 4"), std::string::npos);
  EXPECT_NE(refusal({.activations = "4"}).find("activations is \"4\""), std::string::npos);
  EXPECT_NE(refusal({.rank = 20}).find("rank is 20"), std::string::npos);
  EXPECT_NE(refusal({.shapes = {{16, 64}}, .rank = 32}).find("16x64"), std::string::npos);
  EXPECT_NE(refusal({.isa = "sse9"}).find("sse9"), std::string::npos);
}

TEST(CompressBench, MeasuresWhatItSaysOnASmallMatrix) {
  const auto report =
      measure_compression({.shape = {64, 256}, .rank = 16, .threads = 2, .quick = true});
  ASSERT_TRUE(report.has_value()) << report.error().message;
  EXPECT_EQ(report->run_seconds.size(), 1u);
  EXPECT_GT(report->seconds, 0.0);
  EXPECT_GT(report->weight_error, 0.01);
  EXPECT_LT(report->weight_error, 0.25);  // 3 bits without a compensator: 0.19
  EXPECT_FALSE(report->trace.empty());
  EXPECT_GT(report->low_rank_operations_per_second, 0.0);
  EXPECT_GT(report->sgemm_operations_per_second, 0.0);
}

TEST(CompressBench, ImpossibleOptionsAreNamed) {
  const auto message = [](const CompressBenchOptions& options) {
    const auto report = measure_compression(options);
    return report ? std::string() : report.error().message;
  };
  EXPECT_NE(message({.bits = 7}).find("bits is 7"), std::string::npos);
  EXPECT_NE(message({.shape = {64, 64}, .rank = 24}).find("rank is 24"), std::string::npos);
  EXPECT_NE(message({.shape = {16, 64}}).find("rank is 32"), std::string::npos);
  EXPECT_NE(message({.shape = {64, 64}, .quantizer = "awq"}).find("awq"), std::string::npos);
  EXPECT_NE(message({.shape = {1 << 20, 1 << 20}}).find("too large"), std::string::npos);
}

}  // namespace
}  // namespace trine
