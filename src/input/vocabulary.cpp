#include "input/vocabulary.h"

namespace trine::input {

bool Vocabulary::add(std::string_view text, std::int32_t id) {
  if (contains(id)) return false;
  const auto [entry, is_new] = ids_.emplace(text, id);
  if (!is_new) return false;
  const auto index = static_cast<std::size_t>(id);
  if (index >= texts_.size()) texts_.resize(index + 1, nullptr);
  texts_[index] = &entry->first;
  return true;
}

std::optional<std::int32_t> Vocabulary::id_of(std::string_view text) const {
  const auto found = ids_.find(text);
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

bool Vocabulary::contains(std::int32_t id) const noexcept {
  return id >= 0 && static_cast<std::size_t>(id) < texts_.size() &&
         texts_[static_cast<std::size_t>(id)] != nullptr;
}

std::string_view Vocabulary::text_of(std::int32_t id) const noexcept {
  return contains(id) ? std::string_view(*texts_[static_cast<std::size_t>(id)])
                      : std::string_view();
}

}  // namespace trine::input
