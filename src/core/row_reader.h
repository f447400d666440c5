// A matrix whose numbers are not lying about ready to use.
#pragma once

#include <cstddef>

namespace trine {

/// Reads rows of a matrix as fp32, whatever encoding or order they are stored in. Thread-safe.
class RowReader {
 public:
  virtual ~RowReader() = default;

  /// Rows [first, first + count) into `target` [count, in_features].
  virtual void read_rows(std::size_t first, std::size_t count, float* target) const = 0;

  /// Bytes the matrix takes in the file, scales included.
  [[nodiscard]] virtual std::size_t stored_bytes() const noexcept = 0;
};

}  // namespace trine
