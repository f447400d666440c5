// {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true}: spells
// every space as "▁", puts one in front, and begins a word at each.
#include "input/metaspace.h"

#include <algorithm>
#include <utility>

#include "input/pre_tokenizers/pre_tokenizer.h"

namespace trine::input {
namespace {

class MetaspacePreTokenizer final : public PreTokenizer {
 public:
  explicit MetaspacePreTokenizer(Metaspace settings) : settings_(std::move(settings)) {}

  void apply(WordList& list) const override {
    WordList respelled;
    respelled.text.reserve(list.text.size() + list.text.size() / 2);
    for (const Word& word : list.words) {
      const std::size_t begin = respelled.text.size();
      const std::string_view text = list.view(word);
      if (prepends(text, list.is_first(word))) {
        respelled.text += settings_.replacement;
      }
      append_replaced(text, respelled.text);
      append_words(begin, respelled);
    }
    respelled.begins_input = !list.words.empty() && list.is_first(list.words.front());
    list = std::move(respelled);
  }

 private:
  bool prepends(std::string_view text, bool is_first) const {
    if (text.starts_with(' ') || text.starts_with(settings_.replacement)) return false;
    const PrependScheme scheme = settings_.prepend_scheme;
    return scheme == PrependScheme::kAlways || (scheme == PrependScheme::kFirst && is_first);
  }

  void append_replaced(std::string_view text, std::string& replaced) const {
    for (const char byte : text) {
      if (byte == ' ') {
        replaced += settings_.replacement;
      } else {
        replaced += byte;
      }
    }
  }

  /// Appends the words of list.text from `begin` on.
  void append_words(std::size_t begin, WordList& list) const {
    const std::string& text = list.text;
    while (begin < text.size()) {
      const std::size_t next = text.find(settings_.replacement, begin + 1);
      const std::size_t end = settings_.split ? std::min(next, text.size()) : text.size();
      list.words.push_back({begin, end});
      begin = end;
    }
  }

  Metaspace settings_;
};

}  // namespace

Status read_metaspace_pre_tokenizer(const JsonPart& part, PreTokenizers& pre_tokenizers) {
  TRINE_ASSIGN_OR_RETURN(Metaspace settings, read_metaspace(part));
  pre_tokenizers.push_back(std::make_unique<MetaspacePreTokenizer>(std::move(settings)));
  return {};
}

}  // namespace trine::input
