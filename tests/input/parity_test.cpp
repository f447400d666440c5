// tokenizer.json through our code and tokenizer.model through libsentencepiece: two readings of
// one vocabulary, compared on whole books. The texts are looked for in TRINE_DATA_DIR, else in
// ../shared/data.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "support/temporary_directory.h"
#include "support/tokenizers.h"

namespace trine::input {
namespace {

using testing_support::kTinyMixtral;
using testing_support::open_or_throw;

std::filesystem::path data_directory() {
  const char* named = std::getenv("TRINE_DATA_DIR");
  return named != nullptr ? named : "../shared/data";
}

struct Text {
  const char* file;
  std::size_t ids;  ///< with BOS
};

class Parity : public testing::TestWithParam<Text> {};

TEST_P(Parity, OfBothFiles) {
  const auto path = data_directory() / GetParam().file;
  if (!std::filesystem::exists(path)) {
    GTEST_SKIP() << path << " is not there; set TRINE_DATA_DIR to the directory that holds it";
  }
  const std::string text = testing_support::read_file(path);
  testing_support::TemporaryDirectory directory;
  testing_support::fill_with_tokenizer_model(directory.path(), "");
  const auto from_json = open_or_throw(kTinyMixtral);
  const auto from_model = open_or_throw(directory.path());
  const auto ids = from_json->encode(text, SpecialTokens::kInclude);
  EXPECT_EQ(ids.size(), GetParam().ids);
  EXPECT_TRUE(ids == from_model->encode(text, SpecialTokens::kInclude));
  const std::string decoded = from_json->decode(ids, SpecialTokens::kInclude);
  EXPECT_TRUE(decoded == from_model->decode(ids, SpecialTokens::kInclude));
}

// 25,021 is what the training run of tiny-mixtral counted, the others what `tokenizers` gives.
INSTANTIATE_TEST_SUITE_P(EveryText, Parity,
                         testing::Values(Text{"books-small.txt", 25021},
                                         Text{"books.txt", 156193},
                                         Text{"wikitext-2/test.txt", 434965}),
                         [](const auto& tested) {
                           const std::string file = tested.param.file;
                           return file.substr(0, file.find_first_of("-.")) +
                                  std::to_string(tested.param.ids);
                         });

}  // namespace
}  // namespace trine::input
