// The unigram language model: of all ways to cut a text into tokens, the most probable one.
// Kudo 2018, "Subword Regularization", arXiv:1804.10959, section 3; parts as in tokenizer.json.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "input/token_models/byte_tokens.h"
#include "input/token_models/piece_tree.h"
#include "input/token_models/token_model.h"

namespace trine::input {

/// What a "model" of type Unigram says.
struct UnigramRules {
  Vocabulary vocabulary{};
  PieceTree pieces{};            ///< the texts of the vocabulary
  std::vector<double> scores{};  ///< natural logarithm of the probability, by id
  std::int32_t unk_id = 0;       ///< stands for a run of characters that are in no token
  /// With byte_fallback: the ids of "<0x00>" to "<0xFF>", which spell such runs instead.
  std::optional<ByteIds> byte_ids{};
};

/// The token model of `rules`.
[[nodiscard]] std::unique_ptr<const TokenModel> make_unigram(UnigramRules rules);

}  // namespace trine::input
