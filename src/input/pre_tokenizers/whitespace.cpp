// {"type": "Whitespace"}: words are runs of word characters and runs of what is neither a word
// character nor white space; white space goes. As the expression \w+|[^\w\s]+ of Rust, whose \w
// is is_word_character().
#include <utility>

#include "input/pre_tokenizers/pre_tokenizer.h"
#include "input/unicode.h"

namespace trine::input {
namespace {

enum class Kind { kWord, kSpace, kOther };

Kind kind_of(char32_t character) {
  if (is_word_character(character)) return Kind::kWord;
  return is_white_space(character) ? Kind::kSpace : Kind::kOther;
}

class Whitespace final : public PreTokenizer {
 public:
  void apply(WordList& list) const override {
    std::vector<Word> words;
    for (const Word& word : list.words) cut(list.text, word, words);
    list.words = std::move(words);
  }

 private:
  static void cut(std::string_view text, const Word& word, std::vector<Word>& words) {
    Kind before = Kind::kSpace;
    for (std::size_t position = word.begin; position < word.end;) {
      const Utf8Character next = read_utf8(text.substr(position));
      const Kind kind = kind_of(next.code_point);
      if (kind != Kind::kSpace) {
        if (kind != before) words.push_back({position, position});
        words.back().end = position + next.length;
      }
      before = kind;
      position += next.length;
    }
  }
};

}  // namespace

Status read_whitespace_pre_tokenizer(const JsonPart&, PreTokenizers& pre_tokenizers) {
  pre_tokenizers.push_back(std::make_unique<Whitespace>());
  return {};
}

}  // namespace trine::input
