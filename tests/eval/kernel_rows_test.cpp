#include "eval/kernel_rows.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "eval/machine_rates.h"
#include "kernels/peak.h"

namespace trine::eval {
namespace {

class KernelRows : public testing::TestWithParam<const kernels::KernelTable*> {};

/// Odd sides: a last row block and a last group that are not full.
TEST_P(KernelRows, AreCorrectProductsWithFiguresOnEveryInstructionSet) {
  const KernelBenchOptions options{.bits = {3},
                                   .shapes = {{40, 200}},
                                   .cached_shapes = {{24, 128}},
                                   .batches = {1, 3},
                                   .metadata_bits = {16, 8},
                                   .rank = 16,
                                   .quick = true};
  std::vector<std::string> items;
  std::uint64_t total = 0;
  const auto report = measure_kernels(*GetParam(), 2, options, [&](const Progress& progress) {
    items.emplace_back(progress.item);
    total = progress.total_units;
    EXPECT_EQ(progress.done_units, items.size());
  });
  ASSERT_TRUE(report.has_value()) << report.error().message;
  // 2 metadata, 2 batches, 2 numbers of threads; from the cache, and two ways from memory.
  ASSERT_EQ(report->rows.size(), 2u * 2u * 2u * 3u);
  EXPECT_EQ(items.size(), report->rows.size());
  EXPECT_EQ(total, report->rows.size());
  for (const KernelRow& row : report->rows) {
    SCOPED_TRACE(testing::Message() << row.bits << " bits, batch " << row.batch << ", engine "
                                    << row.is_engine << ", cached " << row.is_cached);
    // Two digits are 14 bits of the largest input of a group: 5e-5 of a normal one.
    EXPECT_LT(row.relative_error, 2e-4);
    EXPECT_GE(row.runs, 3u);
    EXPECT_GT(row.seconds, 0.0);
    EXPECT_EQ(row.read_share > 0.0, !row.is_cached);
    EXPECT_EQ(row.peak_share > 0.0, GetParam()->name != "scalar");
  }
}

/// A bf16 is off by up to 2^-9 of itself, whether it is multiplied as it is or as two digits.
TEST_P(KernelRows, Bf16InputsAreComparedWithTheDotProductThatTheyMeet) {
  const KernelBenchOptions options{.bits = {3},
                                   .shapes = {},
                                   .cached_shapes = {{24, 256}},
                                   .batches = {1, 9},
                                   .activations = "bf16",
                                   .quick = true};
  const auto report = measure_kernels(*GetParam(), 1, options, {});
  ASSERT_TRUE(report.has_value()) << report.error().message;
  const kernels::PeakLoops loops = kernels::peak_loops_of(GetParam()->name);
  const bool is_bf16 = loops.bf16_dot.exists();
  EXPECT_EQ(report->peak_instruction,
            is_bf16 ? loops.bf16_dot.instruction : loops.integer_dot.instruction);
  ASSERT_EQ(report->rows.size(), 2u);
  for (const KernelRow& row : report->rows) {
    EXPECT_LT(row.relative_error, 3e-3);
    EXPECT_GT(row.relative_error, 1e-3);
    const double products = 24.0 * 256.0 * static_cast<double>(row.batch);
    EXPECT_NEAR(row.operations_per_second * row.seconds, (is_bf16 ? 2.0 : 4.0) * products,
                1e-6 * products);
  }
}

TEST_P(KernelRows, MachineHasRates) {
  const auto report = measure_machine(*GetParam(), 2, {.quick = true}, {});
  ASSERT_TRUE(report.has_value()) << report.error().message;
  EXPECT_EQ(report->isa, GetParam()->name);
  EXPECT_GT(report->clock_hertz, 1e8);
  EXPECT_GT(report->read_bandwidth.one, 0.0);
  EXPECT_GE(report->best_read_bandwidth.all, report->read_bandwidth.all);
  EXPECT_GT(report->sgemm.all, 0.0);
}

INSTANTIATE_TEST_SUITE_P(Tables, KernelRows, testing::ValuesIn(kernels::runnable_tables()),
                         [](const auto& tested) { return std::string(tested.param->name); });

}  // namespace
}  // namespace trine::eval
