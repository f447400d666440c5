// From token texts back to text, step by step.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "input/json_part.h"

namespace trine::input {

/// Takes a sequence of tokens. A token arrives in one or more fragments of whole characters,
/// then ends; so a step may pass on the beginning of a token whose end is not known yet.
class TokenSink {
 public:
  virtual ~TokenSink() = default;
  /// The next fragment of the current token: valid UTF-8, not empty.
  virtual void append(std::string_view text) = 0;
  /// The current token is complete; it may have been empty.
  virtual void end_token() = 0;
  /// No more tokens: pass on what was kept back, then finish what follows. Called once.
  virtual void finish() = 0;
};

/// One step of decoding. Immutable; what a sequence needs to remember lives in its TokenSink.
class Decoder {
 public:
  virtual ~Decoder() = default;
  /// A step for one sequence, writing to `next`, which must outlive it.
  [[nodiscard]] virtual std::unique_ptr<TokenSink> start(TokenSink& next) const = 0;
  /// What this step makes of one token in the middle of a text, as bytes that need not be whole
  /// characters. `token` is what the steps before have made of it.
  [[nodiscard]] virtual std::string bytes_within(std::string token) const { return token; }
  /// Whether the steps after this one see all tokens as one.
  [[nodiscard]] virtual bool joins_tokens() const { return false; }
  /// The text becomes at most so many times longer.
  [[nodiscard]] virtual std::size_t growth() const { return 1; }
};

/// Applied one after the other.
using Decoders = std::vector<std::unique_ptr<const Decoder>>;

/// Reads one part of tokenizer.json and appends what it stands for.
using DecoderReader = Status(const JsonPart& part, Decoders& decoders);

/// Reads "decoder", or one within a Sequence. kUnsupported lists the known types.
DecoderReader read_decoder;

/// Byte tokens "<0xE2>" to characters; a byte that is part of none becomes U+FFFD.
[[nodiscard]] std::unique_ptr<const Decoder> make_byte_fallback_decoder();
/// All tokens to one.
[[nodiscard]] std::unique_ptr<const Decoder> make_fuse_decoder();
/// Every `pattern` within a token to `content`. `pattern` is not empty.
[[nodiscard]] std::unique_ptr<const Decoder> make_replace_decoder(std::string pattern,
                                                                  std::string content);
/// Takes up to `start` copies of `content` (one character) off the front of each token, and up
/// to `stop` off its end.
[[nodiscard]] std::unique_ptr<const Decoder> make_strip_decoder(std::string content,
                                                                std::size_t start,
                                                                std::size_t stop);
/// A space between tokens: what holds when tokenizer.json names no decoder.
[[nodiscard]] std::unique_ptr<const Decoder> make_spaced_decoder();

}  // namespace trine::input
