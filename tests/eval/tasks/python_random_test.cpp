// Against CPython 3.11: python3 -c "import random; r = random.Random(1234); …".
#include "eval/tasks/python_random.h"

#include <gtest/gtest.h>

#include <vector>

namespace trine::eval {
namespace {

using Drawn = std::vector<std::size_t>;

TEST(PythonRandom, DrawsTheWordsCPythonDraws) {
  PythonRandom random(1234);
  EXPECT_EQ(random.next(), 4150886329u);
  EXPECT_EQ(random.next(), 3342196574u);
  EXPECT_EQ(random.next(), 1892932127u);
  EXPECT_EQ(random.next(), 501869158u);
}

TEST(PythonRandom, SamplesFromManyByRejectingWhatWasDrawn) {
  PythonRandom random(1234);
  EXPECT_EQ(random.sample(7473, 5), (Drawn{6374, 3610, 957, 61, 742}));
  EXPECT_EQ(random.sample(7473, 5), (Drawn{7462, 6610, 4769, 286, 5501}));
}

// Python takes the other way up to 21 things, and up to 85 when ten are drawn.
TEST(PythonRandom, SamplesFromFewByTakingThemOutOfAList) {
  PythonRandom random(1234);
  EXPECT_EQ(random.sample(20, 5), (Drawn{14, 3, 0, 2, 1}));
  EXPECT_EQ(random.sample(50, 10), (Drawn{42, 44, 5, 6, 22, 15, 1, 43, 49, 45}));
  EXPECT_EQ(random.sample(100, 8), (Drawn{82, 79, 61, 78, 59, 19, 11, 23}));
}

}  // namespace
}  // namespace trine::eval
