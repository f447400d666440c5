// {"type": "ByteLevel"}: every token is spelled in GPT-2's alphabet, one character per byte; all
// the bytes together are the text. A token with any other character, such as an added token
// with a space, stands for its own text.
//
// Bytes that are no UTF-8 become U+FFFD, one for each maximal ill-formed part, as everywhere in
// Python and Rust. A token is read when it has ended, since its last character may be the one
// that is not of the alphabet.
#include "input/byte_alphabet.h"
#include "input/decoders/decoder.h"
#include "input/unicode.h"

namespace trine::input {
namespace {

/// The bytes that `token` spells, or its own.
std::string bytes_of(const std::string& token) {
  std::string bytes;
  for (std::string_view rest = token; !rest.empty();) {
    const Utf8Character next = read_utf8(rest);
    const auto byte = byte_of_character(next.code_point);
    if (!byte) return token;
    bytes += static_cast<char>(*byte);
    rest.remove_prefix(next.length);
  }
  return bytes;
}

class ByteLevelSink final : public TokenSink {
 public:
  explicit ByteLevelSink(TokenSink& next) : next_(next) {}

  void append(std::string_view text) override { token_ += text; }

  void end_token() override {
    bytes_ += bytes_of(token_);
    token_.clear();
    pass_on_characters();
  }

  void finish() override {
    if (!bytes_.empty()) next_.append(kReplacementCharacter);
    bytes_.clear();
    next_.end_token();
    next_.finish();
  }

 private:
  /// Passes on all of bytes_ except the beginning of a character.
  void pass_on_characters() {
    std::string text;
    std::string_view rest = bytes_;
    while (!rest.empty()) {
      const Utf8Character next = read_utf8(rest);
      if (next.state == Utf8State::kIncomplete) break;
      text += next.state == Utf8State::kComplete ? rest.substr(0, next.length)
                                                 : kReplacementCharacter;
      rest.remove_prefix(next.length);
    }
    bytes_.erase(0, bytes_.size() - rest.size());
    if (!text.empty()) next_.append(text);
  }

  TokenSink& next_;
  std::string token_;  ///< the current token so far
  std::string bytes_;  ///< the beginning of a character: at most 3 bytes between tokens
};

class ByteLevel final : public Decoder {
 public:
  std::unique_ptr<TokenSink> start(TokenSink& next) const override {
    return std::make_unique<ByteLevelSink>(next);
  }
  std::string bytes_within(std::string token) const override { return bytes_of(token); }
  bool joins_tokens() const override { return true; }
};

}  // namespace

Status read_byte_level_decoder(const JsonPart&, Decoders& decoders) {
  decoders.push_back(std::make_unique<ByteLevel>());
  return {};
}

}  // namespace trine::input
