#include "eval/windows.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/expect_error.h"

namespace trine::eval {
namespace {

using testing_support::expect_error;

/// How often each token is predicted.
std::vector<int> times_scored(const std::vector<Window>& windows, std::size_t num_tokens) {
  std::vector<int> times(num_tokens);
  for (const Window& window : windows) {
    for (std::size_t i = window.first_scored; i < window.end; ++i) ++times.at(i);
  }
  return times;
}

TEST(DisjointWindows, UseWholeWindowsAndSkipEachFirstToken) {
  const auto windows = cut_windows(11, 4, 4);
  ASSERT_TRUE(windows.has_value());
  ASSERT_EQ(windows->size(), 2u);  // tokens 8, 9, 10 are left over
  EXPECT_EQ(windows->at(1).begin, 4u);
  EXPECT_EQ(windows->at(1).end, 8u);
  EXPECT_EQ(windows->at(1).num_scored(), 3u);
  EXPECT_EQ(times_scored(*windows, 11), (std::vector<int>{0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0}));
}

TEST(DisjointWindows, MayBeTheWholeText) {
  const auto windows = cut_windows(4, 4, 4);
  ASSERT_TRUE(windows.has_value());
  ASSERT_EQ(windows->size(), 1u);
  EXPECT_EQ(windows->front().num_scored(), 3u);
}

TEST(SlidingWindows, ScoreEveryTokenButTheFirstOnce) {
  for (std::size_t window = 2; window <= 6; ++window) {
    for (std::size_t stride = 1; stride < window; ++stride) {
      for (std::size_t num_tokens = window; num_tokens <= 20; ++num_tokens) {
        const auto windows = cut_windows(num_tokens, window, stride);
        ASSERT_TRUE(windows.has_value());
        std::vector<int> once(num_tokens, 1);
        once[0] = 0;
        EXPECT_EQ(times_scored(*windows, num_tokens), once)
            << num_tokens << " tokens, window " << window << ", stride " << stride;
        for (const Window& each : *windows) {
          EXPECT_LT(each.begin, each.first_scored);  // something to predict from
          EXPECT_LE(each.end - each.begin, window);
        }
      }
    }
  }
}

TEST(SlidingWindows, StartEveryStrideAndGiveFullContext) {
  const auto windows = cut_windows(10, 4, 2);
  ASSERT_TRUE(windows.has_value());
  ASSERT_EQ(windows->size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(windows->at(i).begin, 2 * i);
    EXPECT_EQ(windows->at(i).end, 2 * i + 4);
    EXPECT_EQ(windows->at(i).first_scored, i == 0 ? 1 : 2 * i + 2);
  }
}

TEST(SlidingWindows, MayEndWithAShortOne) {
  const auto windows = cut_windows(9, 4, 2);
  ASSERT_TRUE(windows.has_value());
  EXPECT_EQ(windows->back().begin, 6u);
  EXPECT_EQ(windows->back().end, 9u);
  EXPECT_EQ(windows->back().num_scored(), 1u);
}

TEST(Halves, PredictAllOfTheSecondHalf) {
  const auto windows = cut_halves(13, 5, 5);
  ASSERT_TRUE(windows.has_value());
  EXPECT_EQ(times_scored(*windows, 13),
            (std::vector<int>{0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 0}));
  EXPECT_EQ(cut_halves(2, 2, 2)->front().first_scored, 1u);
  expect_error(cut_halves(13, 5, 4), ErrorCode::kInvalidArgument,
               {"stride is 4", "expected 5", "disjoint"});
  expect_error(cut_halves(13, 1, 1), ErrorCode::kInvalidArgument, {"window is 1"});
}

TEST(Windows, RefuseSizesThatMakeNoSense) {
  const auto refused = [](std::size_t tokens, std::size_t window, std::size_t stride,
                          std::initializer_list<std::string_view> words) {
    expect_error(cut_windows(tokens, window, stride), ErrorCode::kInvalidArgument, words);
  };
  refused(10, 0, 0, {"window is 0"});
  refused(10, 1, 1, {"window is 1", "at least 2"});
  refused(10, 4, 0, {"stride is 0", "1 to 4"});
  refused(10, 4, 5, {"stride is 5", "1 to 4"});
  refused(3, 4, 4, {"3 tokens", "one window of 4"});
  refused(0, 4, 2, {"0 tokens"});
}

}  // namespace
}  // namespace trine::eval
