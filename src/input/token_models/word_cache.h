// Words repeat, so their ids are kept for the length of one call of encode().
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "input/vocabulary.h"

namespace trine::input {

/// Ids by word. A book has some 20,000 different words of at most 20 bytes; the limits hold the
/// memory below 30 MB on any text. For one thread.
class WordCache {
 public:
  /// Longer words are not worth keeping.
  static constexpr std::size_t kLongestWord = 48;

  /// Appends the ids of `word`, at most kLongestWord bytes, to `ids`: those that
  /// `encode(word, ids)` appended when the word was new.
  template <class Encode>
  void append(std::string_view word, std::vector<std::int32_t>& ids, Encode encode) {
    if (const auto kept = kept_.find(word); kept != kept_.end()) {
      ids.insert(ids.end(), kept->second.begin(), kept->second.end());
      return;
    }
    const auto count_before = static_cast<std::ptrdiff_t>(ids.size());
    encode(word, ids);
    if (kept_.size() >= kMostWords) return;
    kept_.emplace(word, std::vector(ids.begin() + count_before, ids.end()));
  }

 private:
  static constexpr std::size_t kMostWords = 65536;

  std::unordered_map<std::string, std::vector<std::int32_t>, TextHash, std::equal_to<>> kept_;
};

}  // namespace trine::input
