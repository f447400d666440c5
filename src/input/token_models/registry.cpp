// The one list of token models. To add one: write <name>.cpp beside this file, declare its
// reader and add its row here. Nothing else changes.
#include <array>

#include "input/part_kinds.h"
#include "input/token_models/token_model.h"

namespace trine::input {

TokenModelReader read_bpe;
TokenModelReader read_unigram;

namespace {

constexpr std::array kTokenModels = {
    PartKind<TokenModelReader>{"BPE", read_bpe},
    PartKind<TokenModelReader>{"Unigram", read_unigram},
};

}  // namespace

Result<std::unique_ptr<const TokenModel>> read_token_model(const JsonPart& part) {
  // Files from before 2020 name no type; only BPE has merges.
  if (!part.find("type") && part.find("merges")) return read_bpe(part);
  TRINE_ASSIGN_OR_RETURN(TokenModelReader* const read, find_reader(kTokenModels, part));
  return read(part);
}

}  // namespace trine::input
