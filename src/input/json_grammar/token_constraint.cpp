// A mask takes two steps, because most of a vocabulary is plain words, and within a string all of
// them may follow: those come from a table by how many characters may follow. Only the other
// tokens, and readings that are in no string, walk through a tree of bytes, where one byte that
// may not follow rules out all tokens that begin like that.
#include "input/json_grammar/token_constraint.h"

#include <bitset>
#include <utility>

namespace trine::input::json_grammar {
namespace {

/// Masks kept; one of a vocabulary of 150,000 tokens has 19 kB.
constexpr std::size_t kMaxMasks = 64;

}  // namespace

Result<TokenConstraint> TokenConstraint::create(
    std::shared_ptr<const JsonGrammar> grammar,
    std::shared_ptr<const TokenVocabulary> vocabulary) {
  std::bitset<256> single;
  for (const TokenTree::Node& node : vocabulary->all().nodes()) {
    if (node.depth == 0 && node.last_token > node.first_token) single.set(node.byte);
  }
  for (unsigned byte = 0x20; byte < 0x7F; ++byte) {
    if (single[byte]) continue;
    return fail(
        ErrorCode::kUnsupported,
        "the tokenizer has no token for the single character '{}', which answers in JSON "
        "need",
        static_cast<char>(byte));
  }
  return TokenConstraint(std::move(grammar), std::move(vocabulary));
}

TokenConstraint::TokenConstraint(std::shared_ptr<const JsonGrammar> grammar,
                                 std::shared_ptr<const TokenVocabulary> vocabulary)
    : vocabulary_(std::move(vocabulary)),
      automaton_(std::move(grammar)),
      state_(automaton_.start()),
      nothing_(vocabulary_->mask_words(), 0) {}

std::span<const std::uint64_t> TokenConstraint::allowed() {
  if (ended_) return nothing_;
  const auto known = masks_.find(state_);
  if (known != masks_.end()) return known->second;
  if (masks_.size() >= kMaxMasks) masks_.clear();
  TokenMask& mask = masks_[state_];
  mask.assign(vocabulary_->mask_words(), 0);
  compute(mask);
  return mask;
}

void TokenConstraint::compute(TokenMask& mask) {
  const std::int32_t plain = automaton_.plain_characters(state_);
  if (plain < 0) {
    walk(vocabulary_->all(), state_, mask);
  } else {
    mask = vocabulary_->plain(plain);
    walk(vocabulary_->not_plain(), state_, mask);
    const JsonAutomaton::State others = automaton_.without_strings(state_);
    if (others != JsonAutomaton::kDead) walk(vocabulary_->all(), others, mask);
  }
  if (!automaton_.is_complete(state_)) return;
  for (const std::int32_t id : vocabulary_->end_tokens()) {
    const auto bit = static_cast<std::size_t>(id);
    mask[bit / 64] |= std::uint64_t{1} << (bit % 64);
  }
}

void TokenConstraint::walk(const TokenTree& tree, JsonAutomaton::State state, TokenMask& mask) {
  path_.resize(tree.height() + 1);
  path_[0] = state;
  const std::span<const TokenTree::Node> nodes = tree.nodes();
  const std::span<const std::int32_t> tokens = tree.tokens();
  for (std::size_t i = 0; i < nodes.size();) {
    const TokenTree::Node& node = nodes[i];
    const JsonAutomaton::State reached = automaton_.next(path_[node.depth], node.byte);
    if (reached == JsonAutomaton::kDead) {
      i = static_cast<std::size_t>(node.end);
      continue;
    }
    path_[node.depth + 1u] = reached;
    for (std::int32_t t = node.first_token; t < node.last_token; ++t) {
      const auto bit = static_cast<std::size_t>(tokens[static_cast<std::size_t>(t)]);
      mask[bit / 64] |= std::uint64_t{1} << (bit % 64);
    }
    ++i;
  }
}

bool TokenConstraint::accept(std::int32_t id) {
  if (ended_ || id < 0 || static_cast<std::size_t>(id) >= vocabulary_->size()) return false;
  if (vocabulary_->is_end(id)) {
    ended_ = automaton_.is_complete(state_);
    return ended_;
  }
  if (vocabulary_->bytes(id).empty()) return false;
  JsonAutomaton::State reached = state_;
  for (const char byte : vocabulary_->bytes(id)) {
    reached = automaton_.next(reached, static_cast<std::uint8_t>(byte));
    if (reached == JsonAutomaton::kDead) return false;
  }
  const std::uint64_t before = automaton_.generation();
  state_ = automaton_.trim(reached);
  if (automaton_.generation() != before) masks_.clear();
  return true;
}

}  // namespace trine::input::json_grammar
