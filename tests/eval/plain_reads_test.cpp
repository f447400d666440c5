#include "eval/plain_reads.h"

#include <gtest/gtest.h>

#include <vector>

#include "runtime/compute.h"

namespace trine::eval {
namespace {

TEST(PlainReads, AreTakenByTheThreadsOfTheTeam) {
  auto reads = PlainReads::allocate(true);
  ASSERT_TRUE(reads.has_value()) << reads.error().message;
  for (const int threads : {1, 2}) {
    runtime::Compute compute(*kernels::runnable_tables().back(), threads);
    // Round the buffer and on: 64 MiB in stretches of 16.
    for (int read = 0; read < 5; ++read) {
      const double rate = reads->read(compute);
      EXPECT_GT(rate, 1e7);
      EXPECT_LT(rate, 1e13);  // 16 MiB in more than a microsecond: something was read
    }
  }
}

TEST(SharesOfReads, CompareWithTheReadsBeforeAndAfter) {
  const std::vector<double> rates{3.0, 1.5, 1.0}, reads{4.0, 2.0, 1.0, 3.0};
  // The means around the pieces are 3, 1.5 and 2.
  EXPECT_EQ(shares_of_reads(rates, reads), (std::vector<double>{1.0, 1.0, 0.5}));
  EXPECT_THROW(static_cast<void>(shares_of_reads(rates, rates)), InvariantError);
}

TEST(ReadShare, HasMedianAndQuartiles) {
  const ReadShare share = summary({0.9, 0.5, 0.6, 0.7, 0.8}, {10.0, 30.0, 20.0});
  EXPECT_DOUBLE_EQ(share.read_bandwidth, 20.0);
  EXPECT_DOUBLE_EQ(share.median, 0.7);
  EXPECT_DOUBLE_EQ(share.first_quartile, 0.6);
  EXPECT_DOUBLE_EQ(share.third_quartile, 0.8);
}

}  // namespace
}  // namespace trine::eval
