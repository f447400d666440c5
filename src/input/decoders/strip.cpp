// {"type": "Strip", "content": " ", "start": 1, "stop": 0}: takes single characters off both
// ends of each token. After Fuse that is: off both ends of the whole text.
#include "input/decoders/decoder.h"
#include "input/unicode.h"

namespace trine::input {
namespace {

class StripSink final : public TokenSink {
 public:
  StripSink(TokenSink& next, std::string_view content, std::size_t start, std::size_t stop)
      : next_(next), content_(content), start_(start), stop_(stop), start_left_(start) {}

  void append(std::string_view text) override {
    while (start_left_ > 0 && text.starts_with(content_)) {
      text.remove_prefix(content_.size());
      --start_left_;
    }
    if (text.empty()) return;
    start_left_ = 0;  // something else came first
    if (stop_ > 0) {
      append_but_end(text);
    } else {
      next_.append(text);
    }
  }

  void end_token() override {
    release(kept_ - std::min(kept_, stop_));
    kept_ = 0;
    start_left_ = start_;
    next_.end_token();
  }

  void finish() override { next_.finish(); }

 private:
  /// Keeps back the copies of content_ that `text` ends with: they may be the token's end.
  void append_but_end(std::string_view text) {
    std::size_t copies = 0;
    while (text.ends_with(content_)) {
      text.remove_suffix(content_.size());
      ++copies;
    }
    if (!text.empty()) {
      release(kept_);
      next_.append(text);
    }
    kept_ += copies;
  }

  void release(std::size_t copies) {
    for (std::size_t i = 0; i < copies; ++i) next_.append(content_);
    kept_ -= copies;
  }

  TokenSink& next_;
  std::string_view content_;
  std::size_t start_;
  std::size_t stop_;
  std::size_t start_left_;  ///< copies that may still be taken off this token's front
  std::size_t kept_ = 0;    ///< copies of content_ seen last and not passed on
};

class StripDecoder final : public Decoder {
 public:
  StripDecoder(std::string content, std::size_t start, std::size_t stop)
      : content_(std::move(content)), start_(start), stop_(stop) {}
  std::unique_ptr<TokenSink> start(TokenSink& next) const override {
    return std::make_unique<StripSink>(next, content_, start_, stop_);
  }
  std::string bytes_within(std::string token) const override {
    std::string_view text = token;
    for (std::size_t i = 0; i < start_ && text.starts_with(content_); ++i) {
      text.remove_prefix(content_.size());
    }
    for (std::size_t i = 0; i < stop_ && text.ends_with(content_); ++i) {
      text.remove_suffix(content_.size());
    }
    return std::string(text);
  }

 private:
  std::string content_;
  std::size_t start_;
  std::size_t stop_;
};

}  // namespace

std::unique_ptr<const Decoder> make_strip_decoder(std::string content, std::size_t start,
                                                  std::size_t stop) {
  return std::make_unique<StripDecoder>(std::move(content), start, stop);
}

Status read_strip_decoder(const JsonPart& part, Decoders& decoders) {
  constexpr std::int64_t kMost = 1 << 20;
  TRINE_ASSIGN_OR_RETURN(const JsonPart content_field, part.field("content"));
  TRINE_ASSIGN_OR_RETURN(const std::string_view content, content_field.string());
  if (content.empty() || read_utf8(content).length != content.size()) {
    return content_field.wrong("one character");
  }
  TRINE_ASSIGN_OR_RETURN(const JsonPart start_field, part.field("start"));
  TRINE_ASSIGN_OR_RETURN(const std::int64_t start, start_field.integer(0, kMost));
  TRINE_ASSIGN_OR_RETURN(const JsonPart stop_field, part.field("stop"));
  TRINE_ASSIGN_OR_RETURN(const std::int64_t stop, stop_field.integer(0, kMost));
  decoders.push_back(make_strip_decoder(std::string(content), static_cast<std::size_t>(start),
                                        static_cast<std::size_t>(stop)));
  return {};
}

}  // namespace trine::input
