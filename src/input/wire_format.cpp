#include "input/wire_format.h"

namespace trine::input {

Result<std::optional<WireField>> WireReader::next() {
  if (rest_.empty()) return std::nullopt;
  TRINE_ASSIGN_OR_RETURN(const std::uint64_t tag, read_varint());
  constexpr std::uint64_t kLargestNumber = (1u << 29) - 1;
  if (tag >> 3 == 0 || tag >> 3 > kLargestNumber) return wrong("a field number out of range");
  WireField field;
  field.number = static_cast<std::uint32_t>(tag >> 3);
  field.type = static_cast<WireType>(tag & 7);
  switch (field.type) {
    case WireType::kVarint: {
      TRINE_ASSIGN_OR_RETURN(field.value, read_varint());
      return field;
    }
    case WireType::kFixed64: {
      TRINE_ASSIGN_OR_RETURN(field.value, read_fixed(8));
      return field;
    }
    case WireType::kFixed32: {
      TRINE_ASSIGN_OR_RETURN(field.value, read_fixed(4));
      return field;
    }
    case WireType::kBytes: {
      TRINE_ASSIGN_OR_RETURN(const std::uint64_t length, read_varint());
      if (length > rest_.size()) return wrong("a field that ends beyond its message");
      field.bytes = rest_.substr(0, length);
      rest_.remove_prefix(length);
      return field;
    }
  }
  return wrong("a field of a type that is not in use");
}

Result<std::uint64_t> WireReader::read_varint() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (rest_.empty()) return wrong("a number that does not end");
    const auto byte = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    if (shift == 63 && byte > 1) break;  // only one of 64 bits is left
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  return wrong("a number of more than 64 bits");
}

Result<std::uint64_t> WireReader::read_fixed(std::size_t num_bytes) {
  if (rest_.size() < num_bytes) return wrong("a number that does not end");
  std::uint64_t value = 0;
  for (std::size_t i = num_bytes; i-- > 0;) {
    value = (value << 8) | static_cast<std::uint8_t>(rest_[i]);
  }
  rest_.remove_prefix(num_bytes);
  return value;
}

tl::unexpected<Error> WireReader::wrong(std::string_view what) const {
  return fail(ErrorCode::kMalformed, "{} before byte {} of {}", what, size_ - rest_.size(),
              size_);
}

}  // namespace trine::input
