#include "checkpoint/fingerprint.h"

#include <gtest/gtest.h>

#include <string>

#include "support/expect_error.h"
#include "support/tiny_checkpoint.h"

namespace trine::checkpoint {
namespace {

using testing_support::sentence;

class Fingerprint : public testing::Test {
 protected:
  [[nodiscard]] std::string taken() const {
    const auto checkpoint = Checkpoint::open(directory_.path());
    EXPECT_TRUE(checkpoint) << sentence(checkpoint);
    return fingerprint(*checkpoint);
  }
  [[nodiscard]] std::filesystem::path weights() const {
    return directory_.path() / "model.safetensors";
  }
  /// Turns one bit of the byte so many before the end of the file.
  void turn_bit(std::size_t before_end) const {
    std::string content = testing_support::read_file(weights());
    content.at(content.size() - before_end) ^= 1;
    testing_support::write_file(weights(), content);
  }

  testing_support::TemporaryDirectory directory_{};
};

TEST_F(Fingerprint, IsThatOfNamesTypesShapesAndWeights) {
  testing_support::write_tiny_checkpoint(directory_.path());
  const std::string first = taken();
  EXPECT_EQ(first.size(), 16u);
  EXPECT_EQ(taken(), first);
  turn_bit(1);
  EXPECT_NE(taken(), first);
  turn_bit(1);
  EXPECT_EQ(taken(), first);

  auto plan = testing_support::plan_of(testing_support::tiny_config());
  std::swap(plan.front(), plan.back());  // lies elsewhere in the file, is the same
  testing_support::write_weights(weights(), plan);
  EXPECT_EQ(taken(), first);
  plan.front().dtype = DType::kF16;  // of as many bytes
  testing_support::write_weights(weights(), plan);
  EXPECT_NE(taken(), first);
}

}  // namespace
}  // namespace trine::checkpoint
