// Token ids in, one at a time; whole characters out, as soon as they are certain.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "input/decoders/decoder.h"
#include "input/tokenizer.h"

namespace trine::input {

/// Turns a growing sequence of token ids into text, for showing a model's answer as it is made.
///
/// All pieces put together equal Tokenizer::decode() of all ids, which is this class run to its
/// end. No piece ends within a character, and none is ever taken back: bytes of an unfinished
/// character, and whatever a decoder may still change, wait for the next push() or flush().
/// One object per sequence, one thread at a time.
class StreamingDetokenizer {
 public:
  /// `tokenizer` must outlive this object.
  StreamingDetokenizer(const Tokenizer& tokenizer, SpecialTokens special);

  /// The text that became certain with this id; often one word, sometimes empty.
  [[nodiscard]] std::string push(std::int32_t id);

  /// What was still waiting; an unfinished character comes as U+FFFD, once for each of its byte
  /// tokens or, with byte-level tokens, once.
  /// The last call on this object.
  [[nodiscard]] std::string flush();

 private:
  const Tokenizer* tokenizer_;
  SpecialTokens special_;
  std::unique_ptr<std::string> text_;              ///< certain, not yet handed out
  std::vector<std::unique_ptr<TokenSink>> steps_;  ///< last decoder first
};

}  // namespace trine::input
