#include "input/token_models/unigram.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "input/token_models/word_cache.h"
#include "input/unicode.h"

namespace trine::input {
namespace {

/// SentencePiece's: an unknown character costs this much more than the rarest token.
constexpr double kUnknownPenalty = 10.0;

/// The best way to cut the text up to some place: its last token and the sum of the scores.
struct BestCut {
  double score = -std::numeric_limits<double>::infinity();
  std::size_t begin = 0;
  std::int32_t id = 0;
  bool is_reached = false;
};

class UnigramRun final : public TokenModelRun {
 public:
  UnigramRun(const UnigramRules& rules, double unknown_score)
      : rules_(rules), unknown_score_(unknown_score) {}

  void append_ids(std::string_view text, std::vector<std::int32_t>& ids) override {
    if (text.size() > WordCache::kLongestWord) return encode(text, ids);
    cache_.append(text, ids, [this](std::string_view word, std::vector<std::int32_t>& to) {
      encode(word, to);
    });
  }

 private:
  void encode(std::string_view text, std::vector<std::int32_t>& ids) {
    find_best_cuts(text);
    collect_tokens(text.size());
    for (const auto& [begin, end] : tokens_) append_token(text.substr(begin, end - begin), ids);
  }

  /// Viterbi's algorithm, left to right. Scores are summed as doubles in this order, and the
  /// first of equal ways holds, as in `tokenizers`.
  void find_best_cuts(std::string_view text) {
    best_.assign(text.size() + 1, BestCut{});
    best_[0] = {.score = 0.0, .is_reached = true};
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t length = read_utf8(text.substr(begin)).length;
      if (!extend_by_tokens(text, begin, begin + length)) {
        offer(begin, begin + length, rules_.unk_id, unknown_score_);
      }
      begin += length;
    }
  }

  /// Offers every token at `begin`. Whether one of them is the single character up to `next`.
  bool extend_by_tokens(std::string_view text, std::size_t begin, std::size_t next) {
    bool has_single = false;
    PieceTree::Node node = PieceTree::kRoot;
    for (std::size_t end = begin; end < text.size();) {
      const auto child = rules_.pieces.child(node, text[end]);
      if (!child) break;
      node = *child;
      ++end;
      const auto id = rules_.pieces.id_at(node);
      if (!id) continue;
      offer(begin, end, *id, rules_.scores[static_cast<std::size_t>(*id)]);
      if (end == next) has_single = true;
    }
    return has_single;
  }

  void offer(std::size_t begin, std::size_t end, std::int32_t id, double score) {
    BestCut& best = best_[end];
    const double total = best_[begin].score + score;
    if (best.is_reached && total <= best.score) return;
    best = {total, begin, id, true};
  }

  /// The best way, with neighbouring unknown characters as one token.
  void collect_tokens(std::size_t size) {
    tokens_.clear();
    bool after_unknown = false;
    for (std::size_t end = size; end > 0; end = best_[end].begin) {
      const bool is_unknown = best_[end].id == rules_.unk_id;
      if (is_unknown && after_unknown) {
        tokens_.back().first = best_[end].begin;
      } else {
        tokens_.emplace_back(best_[end].begin, end);
      }
      after_unknown = is_unknown;
    }
    std::reverse(tokens_.begin(), tokens_.end());
  }

  void append_token(std::string_view token, std::vector<std::int32_t>& ids) const {
    if (const auto id = rules_.vocabulary.id_of(token)) {
      ids.push_back(*id);
    } else if (rules_.byte_ids) {
      for (const char byte : token) {
        ids.push_back((*rules_.byte_ids)[static_cast<std::uint8_t>(byte)]);
      }
    } else {
      ids.push_back(rules_.unk_id);
    }
  }

  const UnigramRules& rules_;
  double unknown_score_;
  std::vector<BestCut> best_;                                ///< by the place in the text
  std::vector<std::pair<std::size_t, std::size_t>> tokens_;  ///< begin and end
  WordCache cache_;
};

class Unigram final : public TokenModel {
 public:
  explicit Unigram(UnigramRules rules) : rules_(std::move(rules)) {
    const auto rarest = std::min_element(rules_.scores.begin(), rules_.scores.end());
    unknown_score_ = (rarest == rules_.scores.end() ? 0.0 : *rarest) - kUnknownPenalty;
  }
  std::unique_ptr<TokenModelRun> start() const override {
    return std::make_unique<UnigramRun>(rules_, unknown_score_);
  }
  const Vocabulary& vocabulary() const noexcept override { return rules_.vocabulary; }

 private:
  UnigramRules rules_;
  double unknown_score_ = 0.0;
};

}  // namespace

std::unique_ptr<const TokenModel> make_unigram(UnigramRules rules) {
  return std::make_unique<Unigram>(std::move(rules));
}

}  // namespace trine::input
