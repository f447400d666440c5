// Safetensors files byte by byte, right or wrong, without the code under test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace trine::testing_support {

/// `length` as the 8 little-endian bytes a file starts with.
inline std::string header_length_bytes(std::uint64_t length) {
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8) {
    bytes += static_cast<char>(length >> shift & 0xFF);
  }
  return bytes;
}

/// A file with this header text and `data_bytes` bytes 0, 1, 2, … of data.
inline std::string raw_safetensors(std::string_view header, std::size_t data_bytes) {
  std::string file = header_length_bytes(header.size());
  file += header;
  for (std::size_t i = 0; i < data_bytes; ++i) file += static_cast<char>(i & 0xFF);
  return file;
}

}  // namespace trine::testing_support
