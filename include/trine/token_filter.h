// Which tokens may come next: the seam for grammars.
#pragma once

#include <cstdint>
#include <span>

namespace trine {

/// Follows one sequence. Called by one thread at a time.
class TokenFilter {
 public:
  TokenFilter() = default;
  TokenFilter(const TokenFilter&) = delete;
  TokenFilter& operator=(const TokenFilter&) = delete;
  virtual ~TokenFilter() = default;

  /// Bit token % 64 of word token / 64 says whether the token may come next; ids beyond the words
  /// may not. Valid until accept().
  [[nodiscard]] virtual std::span<const std::uint64_t> allowed() = 0;

  /// This token came.
  virtual void accept(std::int32_t token) = 0;
};

}  // namespace trine
