// The fields of a protobuf message as they lie in memory. Source: the encoding of protocol buffers
// (protobuf.dev/programming-guides/encoding).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace trine::input {

/// How a field's value is stored; the numbers are those of the format. Groups, its 3 and 4, have
/// been out of use since 2008 and are refused.
enum class WireType : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

/// One field. A nested message is a kBytes field whose bytes are walked in their turn.
struct WireField {
  std::uint32_t number = 0;  ///< 1 to 2^29 − 1
  WireType type = WireType::kVarint;
  std::uint64_t value = 0;   ///< of every type but kBytes
  std::string_view bytes{};  ///< of kBytes
};

/// Walks one message, field by field. `message` must outlive the reader and its fields.
class WireReader {
 public:
  explicit WireReader(std::string_view message) : rest_(message), size_(message.size()) {}

  /// The next field, nothing at the end. kMalformed says at which byte of the message what is
  /// wrong.
  [[nodiscard]] Result<std::optional<WireField>> next();

 private:
  [[nodiscard]] Result<std::uint64_t> read_varint();
  [[nodiscard]] Result<std::uint64_t> read_fixed(std::size_t num_bytes);
  [[nodiscard]] tl::unexpected<Error> wrong(std::string_view what) const;

  std::string_view rest_;
  std::size_t size_;
};

}  // namespace trine::input
