// {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}: within each token, every
// occurrence, left to right. An end that may still grow into the pattern is kept back.
#include <algorithm>

#include "input/decoders/decoder.h"
#include "input/part_kinds.h"

namespace trine::input {
namespace {

class ReplaceSink final : public TokenSink {
 public:
  ReplaceSink(TokenSink& next, const std::string& pattern, const std::string& content)
      : next_(next), pattern_(pattern), content_(content) {}

  void append(std::string_view text) override {
    kept_ += text;
    std::size_t done = 0;
    for (std::size_t found = kept_.find(pattern_); found != std::string::npos;
         found = kept_.find(pattern_, done)) {
      pass_on(std::string_view(kept_).substr(done, found - done));
      pass_on(content_);
      done = found + pattern_.size();
    }
    const std::size_t certain = kept_.size() - unfinished(std::string_view(kept_).substr(done));
    pass_on(std::string_view(kept_).substr(done, certain - done));
    kept_.erase(0, certain);
  }

  void end_token() override {
    pass_on(kept_);
    kept_.clear();
    next_.end_token();
  }

  void finish() override { next_.finish(); }

 private:
  void pass_on(std::string_view text) {
    if (!text.empty()) next_.append(text);
  }

  /// Bytes at the end of `text` that a beginning of the pattern matches.
  std::size_t unfinished(std::string_view text) const {
    std::size_t length = std::min(text.size(), pattern_.size() - 1);
    while (!std::string_view(pattern_).starts_with(text.substr(text.size() - length))) --length;
    return length;
  }

  TokenSink& next_;
  const std::string& pattern_;
  const std::string& content_;
  std::string kept_;
};

class ReplaceDecoder final : public Decoder {
 public:
  ReplaceDecoder(std::string pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  std::unique_ptr<TokenSink> start(TokenSink& next) const override {
    return std::make_unique<ReplaceSink>(next, pattern_, content_);
  }
  std::string bytes_within(std::string token) const override {
    std::string replaced;
    std::size_t done = 0;
    for (std::size_t found = token.find(pattern_); found != std::string::npos;
         found = token.find(pattern_, done)) {
      replaced.append(token, done, found - done).append(content_);
      done = found + pattern_.size();
    }
    return replaced.append(token, done);
  }
  std::size_t growth() const override { return 1 + content_.size() / pattern_.size(); }

 private:
  std::string pattern_;
  std::string content_;
};

}  // namespace

std::unique_ptr<const Decoder> make_replace_decoder(std::string pattern, std::string content) {
  return std::make_unique<ReplaceDecoder>(std::move(pattern), std::move(content));
}

Status read_replace_decoder(const JsonPart& part, Decoders& decoders) {
  TRINE_ASSIGN_OR_RETURN(std::string pattern, read_text_pattern(part));
  TRINE_ASSIGN_OR_RETURN(const JsonPart field, part.field("content"));
  TRINE_ASSIGN_OR_RETURN(const std::string_view content, field.string());
  decoders.push_back(make_replace_decoder(std::move(pattern), std::string(content)));
  return {};
}

}  // namespace trine::input
