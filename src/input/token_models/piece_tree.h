// All tokens that a text begins with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace trine::input {

/// A tree with one byte per edge; the way from the root to a node spells the node. Thread-safe
/// once filled.
class PieceTree {
 public:
  using Node = std::uint32_t;
  static constexpr Node kRoot = 0;

  /// `text` is not empty. The later of two equal texts holds.
  void add(std::string_view text, std::int32_t id);

  /// The node behind `node` over `byte`.
  [[nodiscard]] std::optional<Node> child(Node node, char byte) const;
  /// The token that `node` spells, if it does.
  [[nodiscard]] std::optional<std::int32_t> id_at(Node node) const;

 private:
  static constexpr std::int32_t kNoId = -1;

  static std::uint64_t edge(Node node, char byte) noexcept {
    return (std::uint64_t{node} << 8) | static_cast<std::uint8_t>(byte);
  }

  std::unordered_map<std::uint64_t, Node> children_;
  std::vector<std::int32_t> ids_{kNoId};  ///< by node
};

}  // namespace trine::input
