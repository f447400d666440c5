// A safetensors header from a stranger. Input: the number of data bytes in decimal, a line feed,
// the header.
#include "base/safetensors_header.h"

#include <charconv>
#include <cstdint>
#include <string_view>

using trine::base::parse_safetensors_header;
using trine::base::TensorEntry;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = input.find('\n');
  if (line == std::string_view::npos) return 0;
  std::size_t data_bytes = 0;
  std::from_chars(input.data(), input.data() + line, data_bytes);
  const auto header = parse_safetensors_header(input.substr(line + 1), data_bytes, "fuzz");
  if (!header) return 0;
  // What every reader relies on: tensors lie one after the other, to the last byte.
  std::size_t end = 0;
  for (const TensorEntry& tensor : header->tensors) {
    if (tensor.offset_bytes != end || tensor.name.empty()) __builtin_trap();
    end += tensor.size_bytes;
  }
  if (end != data_bytes) __builtin_trap();
  return 0;
}
