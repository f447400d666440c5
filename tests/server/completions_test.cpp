// How much one request may ask for.
#include "server/completions.h"

#include <gtest/gtest.h>

namespace trine::server {
namespace {

TEST(CheckScores, CountsAnswersTokensAndAlternatives) {
  GenerationRequest request;
  request.prompt.assign(96, 1);
  request.max_tokens = 4000;
  const auto is_taken = [&](std::size_t answers, std::size_t context) {
    return check_scores(context, std::vector<GenerationRequest>(answers, request)).has_value();
  };
  EXPECT_TRUE(is_taken(128, 4096));  // no scores
  request.top_scores = 20;
  EXPECT_FALSE(is_taken(128, 4096));
  EXPECT_TRUE(is_taken(128, 256));  // the context ends them
  EXPECT_TRUE(is_taken(23, 4096));  // 23 · 4000 · 21 = 1,932,000
  EXPECT_FALSE(is_taken(24, 4096));
  EXPECT_TRUE(is_taken(1, 131'072));
  request.scores_prompt = true;
  EXPECT_TRUE(is_taken(23, 4096));
  request.prompt.assign(200, 1);
  EXPECT_FALSE(is_taken(24, 4096));
  request.top_scores = 0;
  EXPECT_TRUE(is_taken(128, 4096));
}

}  // namespace
}  // namespace trine::server
