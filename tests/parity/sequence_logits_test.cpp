// TextModel::logits() below its tokenizer: every family's golden logits, and what is refused.
#include "api/sequence_logits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "api/opened_model.h"
#include "parity/golden_model.h"

namespace trine::parity {
namespace {

class SequenceLogits : public testing::TestWithParam<std::string> {};

TEST_P(SequenceLogits, AreTheReferences) {
  const auto model = api::open_model(golden_folder(GetParam()).string());
  ASSERT_TRUE(model) << model.error().message;
  auto engine = api::make_engine(*model, {});
  ASSERT_TRUE(engine) << engine.error().message;
  const auto golden = Golden::open(golden_folder(GetParam()));
  ASSERT_TRUE(golden) << golden.error().message;
  const bool has_encoder = !golden->encoder_token_ids.empty();
  for (std::size_t i = 0; i < golden->num_sequences; ++i) {
    const auto input = has_encoder ? golden->input(i) : std::span<const std::int32_t>{};
    const auto report = api::sequence_logits(*engine, golden->sequence(i), input);
    ASSERT_TRUE(report) << report.error().message;
    ASSERT_EQ(report->positions, golden->length);
    ASSERT_EQ(report->vocab_size, golden->vocab_size);
    const auto reference =
        std::span(golden->logits).subspan(i * golden->length * golden->vocab_size);
    float largest = 0.0f;
    for (std::size_t j = 0; j < report->values.size(); ++j) {
      largest = std::max(largest, std::abs(report->values[j] - reference[j]));
    }
    EXPECT_LE(largest, kLogitTolerance);
  }
}

TEST_P(SequenceLogits, RefuseAnEncodersTokensOrTheirAbsence) {
  const auto model = api::open_model(golden_folder(GetParam()).string()).value();
  auto engine = api::make_engine(model, {}).value();
  const std::vector<std::int32_t> some = {1, 2};
  const auto input = model.spec().encoder ? std::span<const std::int32_t>{} : std::span(some);
  const auto report = api::sequence_logits(engine, some, input);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(report.error().message.find("encoder_token_ids"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Families, SequenceLogits, testing::ValuesIn(golden_names()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace trine::parity
