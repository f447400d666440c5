#include "api/tokenized_file.h"

#include "base/files.h"
#include "input/tokenizer.h"

namespace trine::api {

Result<std::vector<std::int32_t>> tokenize_file(const std::string& model,
                                                const std::string& text_file) {
  constexpr std::size_t kMaxTextBytes = std::size_t{1} << 30;
  TRINE_ASSIGN_OR_RETURN(const auto tokenizer, input::open_tokenizer(model));
  TRINE_ASSIGN_OR_RETURN(const std::string text,
                         base::read_text_file(text_file, kMaxTextBytes));
  return tokenizer->encode(text, input::SpecialTokens::kInclude);
}

}  // namespace trine::api
