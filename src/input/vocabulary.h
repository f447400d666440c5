// Token texts and their ids.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace trine::input {

/// Ids that a tokenizer file may use are below this. The largest vocabulary in use has 262,144.
inline constexpr std::int64_t kMaxVocabulary = 1 << 22;

/// Lets a map with string keys be searched with a string_view.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept {
    return std::hash<std::string_view>{}(text);
  }
};

/// A one-to-one table between texts and ids; ids may have gaps. Moves, never copies.
class Vocabulary {
 public:
  Vocabulary() = default;
  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;
  Vocabulary(const Vocabulary&) = delete;
  Vocabulary& operator=(const Vocabulary&) = delete;

  /// False, and nothing changes, when the text or the id is there already.
  /// `id` is in [0, kMaxVocabulary).
  [[nodiscard]] bool add(std::string_view text, std::int32_t id);

  [[nodiscard]] std::optional<std::int32_t> id_of(std::string_view text) const;
  [[nodiscard]] bool contains(std::int32_t id) const noexcept;
  /// Empty for an id that is not there.
  [[nodiscard]] std::string_view text_of(std::int32_t id) const noexcept;
  /// One more than the largest id.
  [[nodiscard]] std::size_t size() const noexcept { return texts_.size(); }

 private:
  std::unordered_map<std::string, std::int32_t, TextHash, std::equal_to<>> ids_;
  std::vector<const std::string*> texts_;  ///< by id, keys of ids_; nullptr in a gap
};

}  // namespace trine::input
