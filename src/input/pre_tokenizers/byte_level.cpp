// {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}: cuts as GPT-2 does, then
// spells every byte as a character of GPT-2's alphabet. "trim_offsets" concerns places in the
// text, which Trine does not give.
#include <utility>

#include "input/byte_alphabet.h"
#include "input/pre_tokenizers/pre_tokenizer.h"
#include "input/pre_tokenizers/split.h"

namespace trine::input {
namespace {

/// English contractions; then words, numbers and the rest, each with one space before it; then
/// spaces, but the last one before a word is the word's. From GPT-2's published encoder.
constexpr std::string_view kGpt2Words =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// Copies the words of `list` one after the other, respelled by `append(word, text)`.
template <class Append>
void respell(WordList& list, Append append) {
  WordList respelled;
  respelled.text.reserve(list.text.size() + list.text.size() / 2);
  respelled.words.reserve(list.words.size());
  for (const Word& word : list.words) {
    const std::size_t begin = respelled.text.size();
    append(list.view(word), respelled.text);
    respelled.words.push_back({begin, respelled.text.size()});
  }
  respelled.begins_input = !list.words.empty() && list.is_first(list.words.front());
  list = std::move(respelled);
}

class PrefixSpace final : public PreTokenizer {
 public:
  void apply(WordList& list) const override {
    respell(list, [](std::string_view word, std::string& text) {
      if (!word.starts_with(' ')) text += ' ';
      text += word;
    });
  }
};

class SpelledBytes final : public PreTokenizer {
 public:
  void apply(WordList& list) const override { respell(list, append_spelled_bytes); }
};

}  // namespace

Status read_byte_level_pre_tokenizer(const JsonPart& part, PreTokenizers& pre_tokenizers) {
  TRINE_ASSIGN_OR_RETURN(const bool add_prefix_space,
                         part.boolean_or("add_prefix_space", true));
  TRINE_ASSIGN_OR_RETURN(const bool use_regex, part.boolean_or("use_regex", true));
  if (add_prefix_space) pre_tokenizers.push_back(std::make_unique<PrefixSpace>());
  if (use_regex) pre_tokenizers.push_back(make_split(kGpt2Words, SplitBehavior::kIsolated));
  pre_tokenizers.push_back(std::make_unique<SpelledBytes>());
  return {};
}

}  // namespace trine::input
