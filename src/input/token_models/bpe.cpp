#include "input/token_models/bpe.h"

#include <algorithm>
#include <utility>

#include "input/token_models/word_cache.h"
#include "input/unicode.h"

namespace trine::input {
namespace {

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

/// A stretch of text that is one token for now; a list linked in both directions, so that
/// merging two of them moves nothing.
struct Symbol {
  std::int32_t id = 0;
  bool is_merged_away = false;
  std::size_t previous = kNone;
  std::size_t next = kNone;
};

/// Two neighbours that may merge, as they were when this was noted.
struct Candidate {
  BpeMerge merge{};
  std::size_t left = 0;  ///< index of the left symbol
  std::int32_t left_id = 0;
  std::int32_t right_id = 0;
};

/// For a heap with the lowest rank on top, and the leftmost among equals.
bool is_later(const Candidate& a, const Candidate& b) noexcept {
  return std::pair(a.merge.rank, a.left) > std::pair(b.merge.rank, b.left);
}

class BpeRun final : public TokenModelRun {
 public:
  explicit BpeRun(const BpeRules& rules) : rules_(rules) {}

  void append_ids(std::string_view text, std::vector<std::int32_t>& ids) override {
    if (text.empty()) return;
    if (text.size() <= WordCache::kLongestWord) return append_kept(text, ids);
    if (append_as_token(text, ids)) return;
    while (!text.empty()) {
      const std::string_view word = text.substr(0, rules_.cuts.first_cut(text));
      // What is kept is a whole text's: with ignore_merges that may differ from a part's.
      if (word.size() > WordCache::kLongestWord || rules_.ignore_merges) {
        merge_word(word, ids);
      } else {
        append_kept(word, ids);
      }
      text.remove_prefix(word.size());
    }
  }

 private:
  /// With ignore_merges, a text that is a token.
  bool append_as_token(std::string_view text, std::vector<std::int32_t>& ids) const {
    if (!rules_.ignore_merges) return false;
    const auto whole = rules_.vocabulary.id_of(text);
    if (whole) ids.push_back(*whole);
    return whole.has_value();
  }

  void append_kept(std::string_view word, std::vector<std::int32_t>& ids) {
    cache_.append(word, ids, [this](std::string_view text, std::vector<std::int32_t>& to) {
      if (!append_as_token(text, to)) merge_word(text, to);
    });
  }

  void merge_word(std::string_view word, std::vector<std::int32_t>& ids) {
    split_into_symbols(word);
    merge_symbols();
    for (const Symbol& symbol : symbols_) {
      if (!symbol.is_merged_away) ids.push_back(symbol.id);
    }
  }

  void split_into_symbols(std::string_view word) {
    symbols_.clear();
    bool after_unknown = false;
    while (!word.empty()) {
      const std::string_view character = word.substr(0, read_utf8(word).length);
      word.remove_prefix(character.size());
      const auto id = rules_.vocabulary.id_of(character);
      if (id) {
        push_symbol(*id);
      } else if (rules_.byte_ids) {
        for (const char byte : character) {
          push_symbol((*rules_.byte_ids)[static_cast<std::uint8_t>(byte)]);
        }
      } else if (rules_.unk_id && !(after_unknown && rules_.fuse_unk)) {
        push_symbol(*rules_.unk_id);
      }
      after_unknown = !id;
    }
  }

  void push_symbol(std::int32_t id) {
    const std::size_t index = symbols_.size();
    symbols_.push_back({.id = id, .previous = index > 0 ? index - 1 : kNone});
    if (index > 0) symbols_[index - 1].next = index;
  }

  /// Merges the pair of lowest rank, over and over, in O(n log n). Pairs that a merge has
  /// broken up stay in the queue and are recognised by their ids when their turn comes.
  void merge_symbols() {
    queue_.clear();
    for (std::size_t left = 0; left + 1 < symbols_.size(); ++left) note_candidate(left);
    std::make_heap(queue_.begin(), queue_.end(), is_later);
    while (!queue_.empty()) {
      std::pop_heap(queue_.begin(), queue_.end(), is_later);
      const Candidate candidate = queue_.back();
      queue_.pop_back();
      if (!still_holds(candidate)) continue;
      merge_with_next(candidate.left, candidate.merge.product);
      if (note_candidate(candidate.left)) push_noted();
      const std::size_t previous = symbols_[candidate.left].previous;
      if (previous != kNone && note_candidate(previous)) push_noted();
    }
  }

  /// Appends to the queue the merge of symbol `left` with its neighbour, if there is one.
  bool note_candidate(std::size_t left) {
    const Symbol& symbol = symbols_[left];
    if (symbol.next == kNone) return false;
    const std::int32_t right_id = symbols_[symbol.next].id;
    const BpeMerge* merge = rules_.merges.find(symbol.id, right_id);
    if (merge == nullptr) return false;
    queue_.push_back({*merge, left, symbol.id, right_id});
    return true;
  }

  void push_noted() { std::push_heap(queue_.begin(), queue_.end(), is_later); }

  bool still_holds(const Candidate& candidate) const {
    const Symbol& left = symbols_[candidate.left];
    return !left.is_merged_away && left.id == candidate.left_id && left.next != kNone &&
           symbols_[left.next].id == candidate.right_id;
  }

  void merge_with_next(std::size_t left, std::int32_t product) {
    Symbol& symbol = symbols_[left];
    Symbol& right = symbols_[symbol.next];
    right.is_merged_away = true;
    symbol.id = product;
    symbol.next = right.next;
    if (symbol.next != kNone) symbols_[symbol.next].previous = left;
  }

  const BpeRules& rules_;
  std::vector<Symbol> symbols_;   ///< of the current word
  std::vector<Candidate> queue_;  ///< a heap
  WordCache cache_;
};

class Bpe final : public TokenModel {
 public:
  explicit Bpe(BpeRules rules) : rules_(std::move(rules)) {}
  std::unique_ptr<TokenModelRun> start() const override {
    return std::make_unique<BpeRun>(rules_);
  }
  const Vocabulary& vocabulary() const noexcept override { return rules_.vocabulary; }

 private:
  BpeRules rules_;
};

}  // namespace

std::unique_ptr<const TokenModel> make_bpe(BpeRules rules) {
  return std::make_unique<Bpe>(std::move(rules));
}

}  // namespace trine::input
