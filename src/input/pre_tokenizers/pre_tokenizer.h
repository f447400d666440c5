// Cutting of normalized text into the words that the token model sees one at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "input/json_part.h"

namespace trine::input {

/// text[begin, end) of a WordList, never empty.
struct Word {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// A text and the words in it, in order. What lies between two words is left out. The text is
/// valid UTF-8, and no word ends within a character.
struct WordList {
  std::string text{};
  std::vector<Word> words{};
  /// Whether text[0] comes from the first character given to encode(); not so behind an added
  /// token. Metaspace asks.
  bool begins_input = false;

  [[nodiscard]] std::string_view view(const Word& word) const {
    return std::string_view(text).substr(word.begin, word.end - word.begin);
  }
  /// Whether nothing of the input stands before `word`.
  [[nodiscard]] bool is_first(const Word& word) const {
    return begins_input && word.begin == 0;
  }
};

/// Cuts words into smaller ones, or respells them. Stateless, so one instance serves all
/// threads.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void apply(WordList& list) const = 0;
};

/// Applied one after the other.
using PreTokenizers = std::vector<std::unique_ptr<const PreTokenizer>>;

/// Reads one part of tokenizer.json and appends what it stands for.
using PreTokenizerReader = Status(const JsonPart& part, PreTokenizers& pre_tokenizers);

/// Reads "pre_tokenizer", or one within a Sequence. kUnsupported lists the known types.
PreTokenizerReader read_pre_tokenizer;

/// `text`, as one word unless it is empty, after all of `pre_tokenizers`.
[[nodiscard]] WordList pre_tokenize(const PreTokenizers& pre_tokenizers, std::string_view text,
                                    bool begins_input);

}  // namespace trine::input
