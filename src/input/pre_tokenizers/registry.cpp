// The one list of pre-tokenizers. To add one: write <name>.cpp beside this file, declare its
// reader and add its row here. Nothing else changes.
#include <array>

#include "input/part_kinds.h"
#include "input/pre_tokenizers/pre_tokenizer.h"

namespace trine::input {

PreTokenizerReader read_byte_level_pre_tokenizer;
PreTokenizerReader read_digits_pre_tokenizer;
PreTokenizerReader read_metaspace_pre_tokenizer;
PreTokenizerReader read_punctuation_pre_tokenizer;
PreTokenizerReader read_sequence_pre_tokenizer;
PreTokenizerReader read_split_pre_tokenizer;
PreTokenizerReader read_whitespace_pre_tokenizer;
PreTokenizerReader read_whitespace_split_pre_tokenizer;

namespace {

constexpr std::array kPreTokenizers = {
    PartKind<PreTokenizerReader>{"ByteLevel", read_byte_level_pre_tokenizer},
    PartKind<PreTokenizerReader>{"Digits", read_digits_pre_tokenizer},
    PartKind<PreTokenizerReader>{"Metaspace", read_metaspace_pre_tokenizer},
    PartKind<PreTokenizerReader>{"Punctuation", read_punctuation_pre_tokenizer},
    PartKind<PreTokenizerReader>{"Sequence", read_sequence_pre_tokenizer},
    PartKind<PreTokenizerReader>{"Split", read_split_pre_tokenizer},
    PartKind<PreTokenizerReader>{"Whitespace", read_whitespace_pre_tokenizer},
    PartKind<PreTokenizerReader>{"WhitespaceSplit", read_whitespace_split_pre_tokenizer},
};

}  // namespace

Status read_pre_tokenizer(const JsonPart& part, PreTokenizers& pre_tokenizers) {
  TRINE_ASSIGN_OR_RETURN(PreTokenizerReader* const read, find_reader(kPreTokenizers, part));
  return read(part, pre_tokenizers);
}

WordList pre_tokenize(const PreTokenizers& pre_tokenizers, std::string_view text,
                      bool begins_input) {
  WordList list{.text = std::string(text), .begins_input = begins_input};
  if (!text.empty()) list.words.push_back({0, text.size()});
  for (const auto& pre_tokenizer : pre_tokenizers) pre_tokenizer->apply(list);
  return list;
}

}  // namespace trine::input
