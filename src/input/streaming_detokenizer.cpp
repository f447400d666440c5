#include "input/streaming_detokenizer.h"

#include <utility>

namespace trine::input {
namespace {

/// The end of the chain: joins everything.
class TextSink final : public TokenSink {
 public:
  explicit TextSink(std::string& text) : text_(text) {}
  void append(std::string_view text) override { text_ += text; }
  void end_token() override {}
  void finish() override {}

 private:
  std::string& text_;
};

}  // namespace

StreamingDetokenizer::StreamingDetokenizer(const Tokenizer& tokenizer, SpecialTokens special)
    : tokenizer_(&tokenizer), special_(special), text_(std::make_unique<std::string>()) {
  steps_.push_back(std::make_unique<TextSink>(*text_));
  const auto decoders = tokenizer.decoders();
  for (auto decoder = decoders.rbegin(); decoder != decoders.rend(); ++decoder) {
    steps_.push_back((*decoder)->start(*steps_.back()));
  }
}

std::string StreamingDetokenizer::push(std::int32_t id) {
  const std::string_view token = tokenizer_->token_text(id);
  const bool hidden = special_ == SpecialTokens::kExclude && tokenizer_->is_special(id);
  if (token.empty() || hidden) return {};
  steps_.back()->append(token);
  steps_.back()->end_token();
  return std::exchange(*text_, {});
}

std::string StreamingDetokenizer::flush() {
  steps_.back()->finish();
  return std::exchange(*text_, {});
}

std::string Tokenizer::decode(std::span<const std::int32_t> token_ids,
                              SpecialTokens special) const {
  StreamingDetokenizer stream(*this, special);
  std::string text;
  for (const std::int32_t id : token_ids) text += stream.push(id);
  return text + stream.flush();
}

}  // namespace trine::input
