// {"type": "ByteFallback"}: runs of byte tokens "<0xE2>" become the characters they spell.
//
// A byte that is part of no valid character becomes one U+FFFD, and its neighbours stay what
// they are. The Rust library `tokenizers` spoils the whole run instead (a smiley followed by one
// stray byte becomes five U+FFFD); then nothing of a run could be shown before it ended, and a
// stream of Chinese text would stand still until the next ASCII word. Runs that are valid
// throughout, or invalid throughout, come out the same.
#include <charconv>
#include <optional>

#include "input/decoders/decoder.h"
#include "input/unicode.h"

namespace trine::input {
namespace {

constexpr std::size_t kByteTokenSize = 6;  // <0x41>

/// The byte that a token stands for, if it is spelled like one.
std::optional<char> byte_of(std::string_view token) {
  const bool framed =
      token.size() == kByteTokenSize && token.starts_with("<0x") && token.ends_with('>');
  if (!framed) return std::nullopt;
  unsigned value = 0;
  const auto [end, error] = std::from_chars(&token[3], &token[5], value, 16);
  if (error != std::errc() || end != &token[5]) return std::nullopt;
  return static_cast<char>(value);
}

class ByteFallbackSink final : public TokenSink {
 public:
  explicit ByteFallbackSink(TokenSink& next) : next_(next) {}

  void append(std::string_view text) override {
    token_ += text;
    if (token_.size() > kByteTokenSize) pass_on_token();
  }

  void end_token() override {
    if (const auto byte = byte_of(token_)) {
      bytes_ += *byte;
      in_run_ = true;
      pass_on_characters();
      token_.clear();
      return;
    }
    pass_on_token();
    next_.end_token();
  }

  void finish() override {
    end_run();
    next_.finish();
  }

 private:
  /// What came of the current token so far is no byte token.
  void pass_on_token() {
    end_run();
    if (!token_.empty()) next_.append(token_);
    token_.clear();
  }

  /// Passes on all of bytes_ except the beginning of a character.
  void pass_on_characters() {
    while (!bytes_.empty()) {
      const Utf8Character next = read_utf8(bytes_);
      if (next.state == Utf8State::kIncomplete) return;
      const bool complete = next.state == Utf8State::kComplete;
      next_.append(complete ? std::string_view(bytes_).substr(0, next.length)
                            : kReplacementCharacter);
      bytes_.erase(0, complete ? next.length : 1);
    }
  }

  void end_run() {
    if (!in_run_) return;
    for (std::size_t i = 0; i < bytes_.size(); ++i) next_.append(kReplacementCharacter);
    bytes_.clear();
    in_run_ = false;
    next_.end_token();
  }

  TokenSink& next_;
  std::string token_;    ///< the current token, while it may still be a byte token
  std::string bytes_;    ///< the beginning of a character: at most 3 bytes between calls
  bool in_run_ = false;  ///< the last token was a byte
};

class ByteFallback final : public Decoder {
 public:
  std::unique_ptr<TokenSink> start(TokenSink& next) const override {
    return std::make_unique<ByteFallbackSink>(next);
  }
  std::string bytes_within(std::string token) const override {
    const auto byte = byte_of(token);
    return byte ? std::string(1, *byte) : token;
  }
};

}  // namespace

std::unique_ptr<const Decoder> make_byte_fallback_decoder() {
  return std::make_unique<ByteFallback>();
}

Status read_byte_fallback_decoder(const JsonPart&, Decoders& decoders) {
  decoders.push_back(make_byte_fallback_decoder());
  return {};
}

}  // namespace trine::input
