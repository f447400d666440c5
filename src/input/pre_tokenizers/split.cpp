// {"type": "Split", "pattern": {"Regex": "…"}, "behavior": "Isolated", "invert": false}
//
// A word is laid out as pieces, delimiters and the stretches between them; then each piece
// becomes a word, joins a neighbour, or goes. GPT-2's way of cutting is one expression that
// matches every word, Isolated. Each word is searched as a text of its own: an expression never
// sees the words around it.
#include "input/pre_tokenizers/split.h"

#include <utility>

namespace trine::input {
namespace {

struct SplitPiece {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool is_delimiter = false;
};

/// Appends pieces to words.
class Joiner {
 public:
  Joiner(SplitBehavior behavior, std::vector<Word>& words)
      : behavior_(behavior), words_(words) {}

  /// `pieces` follow each other without gaps; delimiters may be empty.
  void join(const std::vector<SplitPiece>& pieces, std::size_t offset) {
    Word word{offset, offset};
    bool after_delimiter = false;
    for (const SplitPiece& piece : pieces) {
      if (!joins_before(piece.is_delimiter, after_delimiter)) {
        push(word);
        word.begin = offset + piece.begin;
      }
      after_delimiter = piece.is_delimiter;
      word.end = offset + piece.end;
      if (piece.is_delimiter && behavior_ == SplitBehavior::kRemoved) word.begin = word.end;
    }
    push(word);
  }

 private:
  bool joins_before(bool is_delimiter, bool after_delimiter) const {
    switch (behavior_) {
      case SplitBehavior::kContiguous: return is_delimiter == after_delimiter;
      case SplitBehavior::kMergedWithPrevious: return is_delimiter && !after_delimiter;
      case SplitBehavior::kMergedWithNext: return !is_delimiter && after_delimiter;
      default: return false;
    }
  }

  void push(const Word& word) {
    if (word.begin < word.end) words_.push_back(word);
  }

  SplitBehavior behavior_;
  std::vector<Word>& words_;
};

class Split final : public PreTokenizer {
 public:
  Split(Regex regex, SplitBehavior behavior, bool inverted)
      : regex_(std::move(regex)), behavior_(behavior), inverted_(inverted) {}

  void apply(WordList& list) const override {
    RegexSearch search(regex_);
    std::vector<Word> words;
    words.reserve(list.words.size() + list.text.size() / 4);
    Joiner joiner(behavior_, words);
    std::vector<SplitPiece> pieces;
    for (const Word& word : list.words) {
      const std::string_view text = list.view(word);
      lay_out(search.find_all(text), text.size(), pieces);
      joiner.join(pieces, word.begin);
    }
    list.words = std::move(words);
  }

 private:
  void lay_out(const std::vector<RegexMatch>& matches, std::size_t size,
               std::vector<SplitPiece>& pieces) const {
    pieces.clear();
    std::size_t done = 0;
    for (const RegexMatch& match : matches) {
      if (match.begin > done) pieces.push_back({done, match.begin, inverted_});
      pieces.push_back({match.begin, match.end, !inverted_});
      done = match.end;
    }
    if (done < size) pieces.push_back({done, size, inverted_});
  }

  Regex regex_;
  SplitBehavior behavior_;
  bool inverted_;
};

}  // namespace

std::unique_ptr<const PreTokenizer> make_split(Regex regex, SplitBehavior behavior,
                                               bool inverted) {
  return std::make_unique<Split>(std::move(regex), behavior, inverted);
}

std::unique_ptr<const PreTokenizer> make_split(std::string_view pattern,
                                               SplitBehavior behavior) {
  auto regex = Regex::compile(pattern);
  check(regex.has_value(), "an expression of our own cannot be read");
  return make_split(std::move(*regex), behavior, false);
}

Status read_split_pre_tokenizer(const JsonPart& part, PreTokenizers& pre_tokenizers) {
  TRINE_ASSIGN_OR_RETURN(Regex regex, read_pattern(part));
  TRINE_ASSIGN_OR_RETURN(const SplitBehavior behavior, read_split_behavior(part));
  TRINE_ASSIGN_OR_RETURN(const bool inverted, part.boolean_or("invert", false));
  pre_tokenizers.push_back(make_split(std::move(regex), behavior, inverted));
  return {};
}

}  // namespace trine::input
