#include "input/token_models/piece_tree.h"

namespace trine::input {

void PieceTree::add(std::string_view text, std::int32_t id) {
  Node node = kRoot;
  for (const char byte : text) {
    const auto [entry, is_new] =
        children_.try_emplace(edge(node, byte), static_cast<Node>(ids_.size()));
    if (is_new) ids_.push_back(kNoId);
    node = entry->second;
  }
  ids_[node] = id;
}

std::optional<PieceTree::Node> PieceTree::child(Node node, char byte) const {
  const auto found = children_.find(edge(node, byte));
  return found == children_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::int32_t> PieceTree::id_at(Node node) const {
  return ids_[node] == kNoId ? std::nullopt : std::optional(ids_[node]);
}

}  // namespace trine::input
